"""Erases what arrived of erased links after they were erased, and takes deleted rows off the disk."""

from datetime import datetime, timedelta
from typing import Final

from ingest.contract import Warehouse, erase_link

# How long a click of an erased link may have been on its way.
ON_ITS_WAY: Final = timedelta(hours=48)

_ARRIVED: Final = """
WITH recent AS (
    SELECT tenant, link FROM erasures WHERE asked_at > fromUnixTimestamp64Milli({since:Int64}, 'UTC')
)
SELECT DISTINCT tenant, link
FROM (
    SELECT tenant, link FROM clicks WHERE (tenant, link) IN recent
    UNION ALL
    SELECT tenant, link FROM clicks_15m WHERE (tenant, link) IN recent
    UNION ALL
    SELECT tenant, link FROM codes WHERE (tenant, link) IN recent
    UNION ALL
    SELECT tenant, link FROM sent_15m WHERE (tenant, link) IN recent
)
"""


def sweep_erasures(warehouse: Warehouse, now: datetime) -> int:
    """Erase once more the links erased in the last 48 hours of which there are rows; how many those were."""
    since_ms = int((now - ON_ITS_WAY).timestamp() * 1000)
    arrived = warehouse.query(_ARRIVED, {"since": since_ms})
    for tenant, link in arrived:
        erase_link(warehouse, tenant, link)
    return len(arrived)


def purge_deleted_rows(warehouse: Warehouse) -> list[str]:
    """Rewrite the parts in which rows are only marked as deleted, in the background; the tables concerned."""
    rows = warehouse.query(
        "SELECT DISTINCT table FROM system.parts"
        " WHERE database = currentDatabase() AND active AND has_lightweight_delete ORDER BY table"
    )
    for (table,) in rows:
        warehouse.command(f"ALTER TABLE `{table}` APPLY DELETED MASK")
    return [str(table) for (table,) in rows]
