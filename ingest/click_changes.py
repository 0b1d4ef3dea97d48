"""Tells which windows of time hold rows that were changed after they were stored.

The table `click_changes` counts, for each quarter of an hour, the clicks that were ever stored in it and the
marks set on it. Neither ever goes down. A rollup of a window keeps the count it was computed at, and holds as
long as the count is the same.
"""

from typing import Final

from ingest.warehouse import Warehouse

QUARTER_S: Final = 900

# Not deduplicated: the same mark twice is two changes. Only quarters that ever had clicks are marked.
_MARK: Final = """
INSERT INTO click_changes (tenant, scope, subject, start, clicks, marks)
SELECT tenant, scope, subject, start, 0, 1
FROM click_changes
WHERE tenant = {tenant:String}
    AND start >= toDateTime({start:Int64}, 'UTC') AND start < toDateTime({end:Int64}, 'UTC')
    AND day >= toDate(toDateTime({start:Int64}, 'UTC')) AND day <= toDate(toDateTime({end:Int64}, 'UTC'))
    AND (scope != 'link' OR {every_link:Bool} OR subject = {link:UInt64})
GROUP BY tenant, scope, subject, start
SETTINGS insert_deduplicate = 0, async_insert = 0
"""


def mark_dirty(warehouse: Warehouse, tenant: str, link: int | None, start_ms: int, end_ms: int) -> None:
    """Say that clicks of `[start_ms, end_ms)` were changed or deleted: of one link, or (None) of any.

    Times are Unix ms of the clicks' `ts`; mark as little as you know, for what is marked is computed anew.
    Reports use the rows themselves for a marked window until then, so they are right at once.

    Call it when the rows are as they shall be (after a `DELETE` or a mutation has returned): a mark set
    before may be worked off before the rows change. Whoever may die between the two does both again at its
    next start. Marking once too often costs a computation and nothing else.
    New clicks need no mark. Blocks; raises `WarehouseUnavailableError`.
    """
    start_s = start_ms // 1000 // QUARTER_S * QUARTER_S
    end_s = -(-end_ms // 1000)
    if start_s >= end_s:
        return
    warehouse.command(
        _MARK,
        {"tenant": tenant, "every_link": link is None, "link": link or 0, "start": start_s, "end": end_s},
    )
