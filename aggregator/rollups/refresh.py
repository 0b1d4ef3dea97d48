"""Finds the windows that were never computed or no longer hold, and computes them."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from aggregator.rollups import returns
from aggregator.rollups.compute import compute
from aggregator.rollups.returns import compute_returns
from aggregator.rollups.twins import copy_twins, split_twins
from aggregator.rollups.windows import (
    DAY_S,
    DETAILED_FROM_CLICKS,
    GRAINS_S,
    QUARTER_S,
    Window,
)
from ingest.contract import Warehouse

# How long after its end a window is left alone: most of its clicks are stored by then.
SETTLED_AFTER_S: Final = 5
# Windows from here on are looked at in each round, older ones seldom: clicks come up to 48 hours late.
RECENT: Final = timedelta(hours=50)
WINDOWS_A_ROUND: Final = 10_000

# Small windows of a day only serve the list of links; smaller grains of so few clicks serve nobody. `stored`
# never goes down: a window that was large once goes on being computed when its rows are gone.
_STALE: Final = """
SELECT tenant, scope, subject, start_s, changed, stored >= {detailed_from:UInt64} AS is_detailed
FROM
(
    SELECT tenant, scope, subject, <start> AS start_s,
        sum(clicks) + sum(marks) AS changed, sum(clicks) AS stored
    FROM <changes>
    WHERE day >= toDate(toDateTime({since:Int64}, 'UTC')) AND day <= toDate(toDateTime({until:Int64}, 'UTC'))
        AND start_s >= {since:Int64} AND start_s < {until:Int64}
    GROUP BY tenant, scope, subject, start_s
    HAVING {grain:UInt32} = {day:UInt32} OR is_detailed
) AS live
LEFT JOIN
(
    SELECT tenant, scope, subject, toUnixTimestamp(start) AS start_s, max(changes) AS computed
    FROM rollup_windows
    WHERE grain = {grain:UInt32}
        AND start >= toDateTime({since:Int64}, 'UTC') AND start < toDateTime({until:Int64}, 'UTC')
    GROUP BY tenant, scope, subject, start_s
) AS known USING (tenant, scope, subject, start_s)
WHERE changed != computed
ORDER BY start_s DESC, tenant, scope, subject
LIMIT {limit:UInt32}
"""
# Days are counted in a table of their own, which reports compare them with.
_STALE_DAYS: Final = _STALE.replace("<changes>", "click_days").replace("<start>", f"toUInt32(day) * {DAY_S}")
_STALE_WITHIN_DAYS: Final = _STALE.replace("<changes>", "click_changes").replace(
    "<start>", "intDiv(toUnixTimestamp(start), {grain:UInt32}) * {grain:UInt32}"
)


def refresh(
    warehouse: Warehouse,
    now: datetime,
    *,
    everything: bool = False,
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Refresh windows, then who returned: on one day, or with `everything` on all; how many. Blocks."""
    computed = refresh_windows(warehouse, now, everything=everything, is_stopped=is_stopped)
    while counted := refresh_returns(warehouse, now, everything=everything, is_stopped=is_stopped):
        computed += counted
        if not everything:
            break
    return computed


def refresh_windows(
    warehouse: Warehouse,
    now: datetime,
    *,
    everything: bool = False,
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Compute the stale windows that have ended by `now`, the newest first; how many those were.

    Looks at recent windows only, unless `everything`; at quarters only while they are recent. At most
    `WINDOWS_A_ROUND` a grain: more stay for the next call. The finest come first, since the open day has
    nothing else. Blocks.
    """
    computed = 0
    for grain_s in reversed(GRAINS_S):
        stale = find_stale(warehouse, grain_s, now, everything=everything)
        for windows in group_alike(stale):
            if is_stopped():
                return computed
            compute_alike(warehouse, windows, stale, compute)
            computed += len(windows)
    return computed


def refresh_returns(
    warehouse: Warehouse,
    now: datetime,
    *,
    everything: bool = False,
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Count who returned on the latest day of which that is stale; for how many subjects it was.

    A day of which little changed is left alone, unless `everything`. It may take minutes, and reports do
    without it for a while, so nothing else should wait for it. Blocks.
    """
    stale = returns.find_stale(warehouse, now, least=0 if everything else returns.MUCH_CHANGED)
    latest = [window for window in stale if window.start_s == stale[0].start_s]
    computed = 0
    for windows in group_alike(latest):
        if is_stopped():
            break
        compute_alike(warehouse, windows, latest, compute_returns)
        computed += len(windows)
    return computed


def compute_alike(
    warehouse: Warehouse,
    windows: Sequence[Window],
    stale: Sequence[Window],
    compute_others: Callable[[Warehouse, Sequence[Window]], None],
) -> None:
    """Compute windows of one tenant, scope and day, of all that one look found. Tenants' come first."""
    twins, others = split_twins(windows, stale)
    if twins:
        copy_twins(warehouse, twins)
    if others:
        compute_others(warehouse, others)


def group_alike(windows: Sequence[Window]) -> Iterator[list[Window]]:
    """Those of one tenant, scope and day, together."""

    def kind(window: Window) -> tuple[str, int, bool, str]:
        # Tenants' first: their domains may copy them.
        return window.tenant, -(window.start_s // DAY_S), window.scope != "tenant", window.scope

    ordered = sorted(windows, key=lambda window: (kind(window), window.start_s))
    for _, alike in itertools.groupby(ordered, key=kind):
        yield list(alike)


def find_stale(
    warehouse: Warehouse,
    grain_s: int,
    now: datetime,
    *,
    everything: bool,
    since: timedelta = RECENT,
    limit: int = WINDOWS_A_ROUND,
) -> list[Window]:
    """The windows of a grain that have ended and in which more changed than they were computed at.

    With `everything` of any age, save quarters; else those that began later than `since` before `now`.
    """
    until_s = int(now.timestamp() - SETTLED_AFTER_S) // grain_s * grain_s
    is_bounded = grain_s == QUARTER_S or not everything
    since_s = int((now - since).timestamp()) // DAY_S * DAY_S if is_bounded else 0
    rows = warehouse.query(
        _STALE_DAYS if grain_s == DAY_S else _STALE_WITHIN_DAYS,
        {
            "grain": grain_s,
            "day": DAY_S,
            "since": since_s,
            "until": until_s,
            "detailed_from": DETAILED_FROM_CLICKS,
            "limit": limit,
        },
    )
    return [
        Window(tenant, scope, int(subject), grain_s, int(start_s), int(changed), bool(is_detailed))
        for tenant, scope, subject, start_s, changed, is_detailed in rows
    ]
