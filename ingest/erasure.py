"""Erasing a link: its clicks, its rollups, its codes and their recipients, and what the catalogue knew of it.

A click's source and number there are written to `removed_clicks` first, and only what is written there is
deleted: whatever dies in between, and whatever click arrives meanwhile, the ledger balances afterwards.
"""

import time

from ingest.warehouse import Warehouse

_OF_LINK = "tenant = {tenant:String} AND link = {link:UInt64}"


def erase_link(warehouse: Warehouse, tenant: str, number: int) -> None:
    """Delete every row about the link but its tombstone. Run it again for what arrived meanwhile.

    Rows are gone from every query at once, and from the disk once the deleted masks are applied
    (`aggregator/erasure.py`).
    """
    link: dict[str, object] = {"tenant": tenant, "link": number}
    removal = {**link, "removed_at": time.time_ns() // 1_000_000}
    removed_at = "fromUnixTimestamp64Milli({removed_at:Int64}, 'UTC')"
    # S608: the names put into these statements are our own.
    clicks = f"SELECT source, seq, {removed_at} FROM clicks WHERE {_OF_LINK}"  # noqa: S608
    warehouse.command(f"INSERT INTO removed_clicks (source, seq, removed_at) {clicks}", removal)
    recorded = f"SELECT source, seq FROM removed_clicks WHERE removed_at = {removed_at}"  # noqa: S608
    warehouse.command(f"DELETE FROM clicks WHERE {_OF_LINK} AND (source, seq) IN ({recorded})", removal)  # noqa: S608
    for table in ("clicks_15m", "sent_15m", "codes"):
        warehouse.command(f"DELETE FROM {table} WHERE {_OF_LINK}", link)  # noqa: S608
    warehouse.command(
        "DELETE FROM links WHERE tenant = {tenant:String} AND number = {link:UInt64} AND NOT deleted", link
    )
