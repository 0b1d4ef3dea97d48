"""Rollups: clicks counted ahead by quarter, hour and day, computed from the rows and replaced whole.

Nobody else writes them. Whoever changes or deletes stored clicks calls `mark_dirty`.
"""

from aggregator.rollups.refresh import refresh
from aggregator.rollups.windows import (
    DAY_S,
    DETAILED_FROM_CLICKS,
    DIMENSIONS,
    HOUR_S,
    MAX_KEYS,
    QUARTER_S,
    TOTAL,
)
from ingest.contract import mark_dirty

__all__ = [
    "DAY_S",
    "DETAILED_FROM_CLICKS",
    "DIMENSIONS",
    "HOUR_S",
    "MAX_KEYS",
    "QUARTER_S",
    "TOTAL",
    "mark_dirty",
    "refresh",
]
