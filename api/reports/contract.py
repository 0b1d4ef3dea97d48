"""What the routes use of the reports."""

from api.reports.buckets import (
    EmptyRangeError,
    Interval,
    InvertedRangeError,
    RangeError,
    TooManyBucketsError,
)
from api.reports.counts import counts_30d
from api.reports.query import Dimension, Scope, StatsQuery
from api.reports.ranges import PRESETS, Preset, preset_range
from api.reports.recipients import Clickers, stream_who_clicked, who_clicked
from api.reports.scopes import scope_of_label
from api.reports.stats import stats, stats_before

__all__ = [
    "PRESETS",
    "Clickers",
    "Dimension",
    "EmptyRangeError",
    "Interval",
    "InvertedRangeError",
    "Preset",
    "RangeError",
    "Scope",
    "StatsQuery",
    "TooManyBucketsError",
    "counts_30d",
    "preset_range",
    "scope_of_label",
    "stats",
    "stats_before",
    "stream_who_clicked",
    "who_clicked",
]
