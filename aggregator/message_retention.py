"""Deletes messages once they are older than their tenant wants its clicks kept: they name people."""

from collections.abc import Sequence
from typing import Final

from aggregator.retention import Cutoff
from ingest.contract import Warehouse

# Each table with the column that tells when. A message's codes and status go with it.
_TABLES: Final = {
    "message_codes": "accepted_at",
    "message_statuses": "status_at",
    "messages": "accepted_at",
}


def expire_messages(warehouse: Warehouse, wanted: Sequence[Cutoff]) -> int:
    """Delete what is older; how many messages that were. A click of such a message leads to no receipt."""
    expired = 0
    for cutoff in wanted:
        parameters: dict[str, object] = {"cutoff": cutoff.cutoff_ms, "tenants": list(cutoff.tenants)}
        whose = f"tenant {'NOT IN' if cutoff.others else 'IN'} {{tenants:Array(String)}}"
        for table, column in _TABLES.items():
            older = f"{whose} AND {column} < fromUnixTimestamp64Milli({{cutoff:Int64}}, 'UTC')"
            # S608: the names put into these statements are our own.
            ((count,),) = warehouse.query(f"SELECT count() FROM {table} WHERE {older}", parameters)  # noqa: S608
            if count:
                warehouse.command(f"DELETE FROM {table} WHERE {older}", parameters)  # noqa: S608
        expired += int(count)
    return expired
