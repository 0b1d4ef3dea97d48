"""What the routes use of the reports."""

from api.reports.buckets import (
    EmptyRangeError,
    Interval,
    InvertedRangeError,
    RangeError,
    TooManyBucketsError,
    check_range,
)
from api.reports.click_files import MEDIA_TYPES, FileFormat, FileWriter, document_of, file_writer
from api.reports.click_rows import ClickFilter, page_of_clicks, stream_clicks
from api.reports.counts import counts_30d
from api.reports.csv_cells import BYTE_ORDER_MARK, keep_texts
from api.reports.query import Dimension, Scope, StatsQuery, ceil_ms
from api.reports.ranges import PRESETS, Preset, preset_range
from api.reports.recipients import Clickers, stream_who_clicked, who_clicked
from api.reports.scopes import scope_of_label
from api.reports.stats import stats, stats_before

__all__ = [
    "BYTE_ORDER_MARK",
    "MEDIA_TYPES",
    "PRESETS",
    "ClickFilter",
    "Clickers",
    "Dimension",
    "EmptyRangeError",
    "FileFormat",
    "FileWriter",
    "Interval",
    "InvertedRangeError",
    "Preset",
    "RangeError",
    "Scope",
    "StatsQuery",
    "TooManyBucketsError",
    "ceil_ms",
    "check_range",
    "counts_30d",
    "document_of",
    "file_writer",
    "keep_texts",
    "page_of_clicks",
    "preset_range",
    "scope_of_label",
    "stats",
    "stats_before",
    "stream_clicks",
    "stream_who_clicked",
    "who_clicked",
]
