"""What a report counts: whose clicks, when, cut how."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from aggregator.contract import DIMENSIONS, Dimension
from api.reports.buckets import Interval, check_range

__all__ = ["Dimension", "Scope", "StatsQuery", "ceil_ms", "unix_ms"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose clicks: of some links by their numbers, of a domain, or (both None) of the whole tenant."""

    tenant: str
    links: tuple[int, ...] | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class StatsQuery:
    """What to count: a scope's clicks in `[start, end)`, which are aware.

    Raises `RangeError`, or `ValueError` for a dimension that there is not.
    """

    scope: Scope
    start: datetime
    end: datetime
    interval: Interval
    timezone: ZoneInfo
    by: tuple[Dimension, ...] = ()
    exclude_bots: bool = False

    def __post_init__(self) -> None:
        check_range(self.start, self.end)
        if unknown := set(self.by) - set(DIMENSIONS):
            raise ValueError(f"there is no dimension {', '.join(sorted(unknown))}")

    @property
    def span_ms(self) -> tuple[int, int]:
        """The range in Unix ms, half open. Clicks have whole ms, so a fraction counts as the next one."""
        return ceil_ms(self.start), ceil_ms(self.end)


def unix_ms(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def ceil_ms(instant: datetime) -> int:
    return -((_EPOCH - instant) // timedelta(milliseconds=1))
