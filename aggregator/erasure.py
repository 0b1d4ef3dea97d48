"""Erases what arrived of erased links and people after they were erased; takes deleted rows off the disk."""

from datetime import datetime
from typing import Final

from ingest.contract import LETTERS_LINK, LINK_COUNTS, ON_ITS_WAY, Warehouse, erase_link, erase_named

_OF_RECENT: Final = "\n    UNION ALL\n    ".join(
    (
        *(
            f"SELECT tenant, link FROM {table} WHERE (tenant, link) IN recent"
            for table in ("clicks", "codes", "sent_15m")
        ),
        *(
            f"SELECT tenant, subject FROM {table} WHERE scope = 'link' AND (tenant, subject) IN recent"
            for table in LINK_COUNTS
        ),
        f"SELECT tenant, link FROM recent WHERE link IN (SELECT {LETTERS_LINK} FROM dead_letters)",
    )
)
_ARRIVED: Final = f"""
WITH recent AS (
    SELECT tenant, link FROM erasures WHERE asked_at > fromUnixTimestamp64Milli({{since:Int64}}, 'UTC')
)
SELECT DISTINCT tenant, link
FROM (
    {_OF_RECENT}
)
"""


def sweep_erasures(warehouse: Warehouse, now: datetime) -> int:
    """Erase once more the links erased in the last 48 hours of which there are rows; how many those were."""
    arrived = warehouse.query(_ARRIVED, {"since": _on_its_way_since(now)})
    for tenant, link in arrived:
        erase_link(warehouse, tenant, link)
    return len(arrived)


def sweep_recipients(warehouse: Warehouse, now: datetime) -> int:
    """Erase the clicks that came on codes of people erased in the last 48 hours; how many clicks those were.

    After that time it is forgotten which codes they had.
    """
    since = {"since": _on_its_way_since(now)}
    recent = "asked_at > fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
    removed = 0
    for tenant, erasure in warehouse.query(
        f"SELECT DISTINCT tenant, id FROM recipient_erasures WHERE {recent}",
        since,
    ):
        removed += erase_named(warehouse, tenant, erasure)
    if warehouse.query(f"SELECT 1 FROM recipient_erasures WHERE NOT {recent} LIMIT 1", since):
        warehouse.command(f"DELETE FROM recipient_erasures WHERE NOT {recent}", since)
    return removed


def purge_deleted_rows(warehouse: Warehouse) -> list[str]:
    """Rewrite the parts in which rows are only marked as deleted, in the background; the tables concerned."""
    rows = warehouse.query(
        "SELECT DISTINCT table FROM system.parts"
        " WHERE database = currentDatabase() AND active AND has_lightweight_delete ORDER BY table"
    )
    for (table,) in rows:
        warehouse.command(f"ALTER TABLE `{table}` APPLY DELETED MASK")
    return [str(table) for (table,) in rows]


def _on_its_way_since(now: datetime) -> int:
    return int((now - ON_ITS_WAY).timestamp() * 1000)
