"""What the routes use of the reports."""

from api.reports.buckets import (
    EmptyRangeError,
    Interval,
    InvertedRangeError,
    RangeError,
    TooManyBucketsError,
)
from api.reports.counts import counts_30d
from api.reports.recipients import Clickers, stream_who_clicked, who_clicked
from api.reports.stats import Dimension, StatsQuery, stats

__all__ = [
    "Clickers",
    "Dimension",
    "EmptyRangeError",
    "Interval",
    "InvertedRangeError",
    "RangeError",
    "StatsQuery",
    "TooManyBucketsError",
    "counts_30d",
    "stats",
    "stream_who_clicked",
    "who_clicked",
]
