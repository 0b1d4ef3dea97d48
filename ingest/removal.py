"""Deletes stored clicks such that the ledger balances and reports follow, whatever dies in between.

1. A click's source and number there are written to `removed_clicks`; only what is written there is deleted,
   so that a click which arrives meanwhile is not.
2. The windows of time concerned are written to `removal_windows`.
3. The clicks are deleted, the windows are marked for the rollups, and the notes of step 2 are deleted.

Whoever dies before the clicks are deleted does it all again. Windows that somebody left in step 3 are marked
by `finish_removals`.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from ingest.click_changes import mark_dirty
from ingest.warehouse import Row, Warehouse

# A delete holds the numbers of what it deletes in memory, about 64 bytes a click.
CLICKS_A_DELETE: Final = 1_000_000
# Beyond this many windows of single links, a tenant's whole span is marked.
LINK_WINDOWS: Final = 200
# Longer than any one delete takes.
LEFT_BY_THE_DEAD: Final = timedelta(minutes=10)

RemovalReason = Literal["erased", "expired", "repeated"]

_REMOVED_AT: Final = "fromUnixTimestamp64Milli({removed_at:Int64}, 'UTC')"
_RECORDED: Final = f"SELECT source, seq FROM removed_clicks WHERE removed_at = {_REMOVED_AT}"
_LINK_WINDOWS: Final = (
    "SELECT tenant, link, toUnixTimestamp(toStartOfFifteenMinutes(ts)) * 1000 AS start, start + 900000"
    " FROM clicks WHERE {condition} GROUP BY tenant, link, start LIMIT {limit}"
)
_TENANT_WINDOWS: Final = (
    "SELECT tenant, NULL, toUnixTimestamp64Milli(min(ts)), toUnixTimestamp64Milli(max(ts)) + 1"
    " FROM clicks WHERE {condition} GROUP BY tenant"
)


def remove_clicks(
    warehouse: Warehouse, condition: str, parameters: Mapping[str, object], *, reason: RemovalReason
) -> int:
    """Delete the clicks of which the condition (SQL on the columns of `clicks`) holds; how many there were.

    Clicks that arrive meanwhile may stay: run it again.
    """
    removed = 0
    while True:
        removal = {**parameters, "removed_at": time.time_ns() // 1_000_000, "reason": reason}
        warehouse.command(
            "INSERT INTO removed_clicks (source, seq, removed_at, reason)"
            f" SELECT source, seq, {_REMOVED_AT}, {{reason:String}} FROM clicks WHERE {condition}"
            f" LIMIT {CLICKS_A_DELETE}",
            removal,
        )
        ((found,),) = warehouse.query(f"SELECT count() FROM ({_RECORDED})", removal)
        if found:
            _delete(warehouse, f"{condition} AND (source, seq) IN ({_RECORDED})", removal)
        removed += int(found)
        if found < CLICKS_A_DELETE:
            return removed


def finish_removals(warehouse: Warehouse, now: datetime) -> int:
    """Mark the windows that somebody left who died while deleting; how many those were."""
    before: dict[str, object] = {"removed_at": int((now - LEFT_BY_THE_DEAD).timestamp() * 1000)}
    left = warehouse.query(
        "SELECT tenant, link, toUnixTimestamp64Milli(start), toUnixTimestamp64Milli(end)"
        f" FROM removal_windows WHERE removed_at < {_REMOVED_AT}",
        before,
    )
    if left:
        _mark(warehouse, left)
        warehouse.command(f"DELETE FROM removal_windows WHERE removed_at < {_REMOVED_AT}", before)
    return len(left)


def _delete(warehouse: Warehouse, condition: str, removal: Mapping[str, object]) -> None:
    windows = warehouse.query(_LINK_WINDOWS.format(condition=condition, limit=LINK_WINDOWS + 1), removal)
    if len(windows) > LINK_WINDOWS:
        windows = warehouse.query(_TENANT_WINDOWS.format(condition=condition), removal)
    removed_at = removal["removed_at"]
    warehouse.insert(
        "removal_windows",
        {
            "removed_at": [removed_at] * len(windows),
            "tenant": [tenant for tenant, _, _, _ in windows],
            "link": [link for _, link, _, _ in windows],
            "start": [start_ms for _, _, start_ms, _ in windows],
            "end": [end_ms for _, _, _, end_ms in windows],
        },
        token=f"removal:{time.time_ns()}",
    )
    warehouse.command(f"DELETE FROM clicks WHERE {condition}", removal)
    _mark(warehouse, windows)
    warehouse.command(f"DELETE FROM removal_windows WHERE removed_at = {_REMOVED_AT}", removal)


def _mark(warehouse: Warehouse, windows: Iterable[Row]) -> None:
    for tenant, link, start_ms, end_ms in windows:
        mark_dirty(warehouse, tenant, link, start_ms, end_ms)
