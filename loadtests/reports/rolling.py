"""Windows of the made clicks, computed as the aggregator does; how many clicks a second it can do."""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from aggregator.rollups import returns
from aggregator.rollups.compute import compute
from aggregator.rollups.refresh import compute_alike, find_stale, group_alike
from aggregator.rollups.windows import DAY_S, GRAINS_S, LOOK_BACK_DAYS, Window
from ingest.contract import Warehouse, mark_dirty
from loadtests.reports.clicks import DAYS, HOT_LINK, TENANT

# As a day of the past is computed: each window once, of the tenant, of its domain, and of all links.
MEASURED_DAY: Final = 3


@dataclass(frozen=True, slots=True)
class Rate:
    clicks: int
    windows_cpu_s: float
    returns_cpu_s: float

    @property
    def clicks_a_second(self) -> float:
        return self.clicks / (self.windows_cpu_s + self.returns_cpu_s)


def compute_needed(warehouse: Warehouse, now: datetime, links: Collection[int] = (HOT_LINK,)) -> int:
    """What reports of the last 30 days read: of the tenant and of these links; and each link's days.

    All windows of 100,000,000 clicks would take half an hour, these take five minutes. How many those were.
    """
    edges = {(now - timedelta(days=DAYS)).date(), now.date()}
    computed = 0
    for grain_s in reversed(GRAINS_S):
        found = find_stale(warehouse, grain_s, now, everything=True, limit=10**7, since=timedelta(days=DAYS))
        wanted = [*_needed(found, grain_s, edges, links)]
        for windows in group_alike(wanted):
            for is_detailed in (True, False):
                if alike := [window for window in windows if window.detailed == is_detailed]:
                    compute(warehouse, alike)
        computed += len(wanted)
    stale = returns.find_stale(warehouse, now, limit=10**7)
    wanted = [window for window in stale if _is_reported(window, links)]
    for windows in group_alike(wanted):
        returns.compute_returns(warehouse, windows)
    return computed + len(wanted)


def _needed(found: list[Window], grain_s: int, edges: set[date], links: Collection[int]) -> Iterator[Window]:
    for window in found:
        if grain_s == DAY_S and window.scope == "link":
            yield window if _is_reported(window, links) else replace(window, detailed=False)
        elif _is_reported(window, links) and (grain_s == DAY_S or _date(window) in edges):
            yield window


def _is_reported(window: Window, links: Collection[int]) -> bool:
    return window.scope == "tenant" or (window.scope == "link" and window.subject in links)


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
    windows_s = time.process_time() - began_s
    looked_back_s = begin - LOOK_BACK_DAYS * DAY_S
    found = returns.find_stale(warehouse, now, limit=10**7)
    stale = [window for window in found if window.start_s == looked_back_s]
    for windows in group_alike(stale):
        compute_alike(warehouse, windows, stale, returns.compute_returns)
    return Rate(clicks, windows_s, time.process_time() - began_s - windows_s)
