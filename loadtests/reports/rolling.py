"""Windows of the made clicks, computed as the aggregator does; how many clicks a second it can do."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from aggregator.rollups import returns
from aggregator.rollups.compute import compute
from aggregator.rollups.refresh import compute_alike, find_stale, group_alike
from aggregator.rollups.windows import DAY_S, GRAINS_S, Window
from ingest.contract import Warehouse, mark_dirty
from loadtests.reports.clicks import DAYS, HOT_LINK, TENANT

# As a day of the past is computed: each window once, of the tenant, of its domain, and of all links.
MEASURED_DAY: Final = 3


@dataclass(frozen=True, slots=True)
class Rate:
    clicks: int
    cpu_s: float

    @property
    def clicks_a_second(self) -> float:
        return self.clicks / self.cpu_s


def compute_needed(warehouse: Warehouse, now: datetime) -> int:
    """What reports of the last 30 days read: of the tenant and of the hot link; and each link's days.

    All windows of 100,000,000 clicks would take half an hour, these take five minutes. How many those were.
    """
    edges = {(now - timedelta(days=DAYS)).date(), now.date()}
    computed = 0
    for grain_s in reversed(GRAINS_S):
        found = find_stale(warehouse, grain_s, now, everything=True, limit=10**7, since=timedelta(days=DAYS))
        wanted = [*_needed(found, grain_s, edges)]
        for windows in group_alike(wanted):
            for is_detailed in (True, False):
                if alike := [window for window in windows if window.detailed == is_detailed]:
                    compute(warehouse, alike)
        computed += len(wanted)
    wanted = [*filter(_is_reported, returns.find_stale(warehouse, now, limit=10**7))]
    for windows in group_alike(wanted):
        returns.compute_returns(warehouse, windows)
    return computed + len(wanted)


def _needed(found: list[Window], grain_s: int, edges: set[date]) -> Iterator[Window]:
    for window in found:
        if grain_s == DAY_S and window.scope == "link":
            yield window if _is_reported(window) else replace(window, detailed=False)
        elif _is_reported(window) and (grain_s == DAY_S or _date(window) in edges):
            yield window


def _is_reported(window: Window) -> bool:
    return window.scope == "tenant" or (window.scope == "link" and window.subject == HOT_LINK)


def _date(window: Window) -> date:
    return datetime.fromtimestamp(window.start_s, UTC).date()


def measure_rate(warehouse: Warehouse, now: datetime) -> Rate:
    """Compute all windows of a whole day once more. CPU is that of the process, with the engine's."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    begin, end = (
        round((midnight - timedelta(days=back)).timestamp()) for back in (MEASURED_DAY, MEASURED_DAY - 1)
    )
    mark_dirty(warehouse, TENANT, None, begin * 1000, end * 1000)
    clicks, began_s = 0, time.process_time()
    for grain_s in reversed(GRAINS_S):
        found = find_stale(warehouse, grain_s, now, everything=True, limit=10**7, since=timedelta(days=DAYS))
        stale = [window for window in found if begin <= window.start_s < end]
        clicks = sum(window.changes for window in stale if window.scope == "tenant")
        for windows in group_alike(stale):
            compute_alike(warehouse, windows, stale, compute)
    return Rate(clicks, time.process_time() - began_s)
