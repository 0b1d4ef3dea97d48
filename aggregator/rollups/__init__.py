"""Rollups: clicks counted ahead by windows of time, computed from the rows and replaced whole.

Nobody else writes them. Whoever changes or deletes stored clicks calls `mark_dirty`.
"""

from aggregator.rollups.refresh import refresh, refresh_returns, refresh_windows
from aggregator.rollups.returns import cancel_returns
from aggregator.rollups.windows import (
    DAY_S,
    DETAILED_FROM_CLICKS,
    DIMENSIONS,
    EXACT_UP_TO_CLICKS,
    GRAINS_S,
    HOUR_S,
    LOOK_BACK_DAYS,
    LOOK_BACK_S,
    MAX_KEYS,
    QUARTER_S,
    TOTAL,
    Dimension,
)
from ingest.contract import mark_dirty

__all__ = [
    "DAY_S",
    "DETAILED_FROM_CLICKS",
    "DIMENSIONS",
    "EXACT_UP_TO_CLICKS",
    "GRAINS_S",
    "HOUR_S",
    "LOOK_BACK_DAYS",
    "LOOK_BACK_S",
    "MAX_KEYS",
    "QUARTER_S",
    "TOTAL",
    "Dimension",
    "cancel_returns",
    "mark_dirty",
    "refresh",
    "refresh_returns",
    "refresh_windows",
]
