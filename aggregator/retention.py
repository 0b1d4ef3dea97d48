"""Drops clicks and their rollup once they are older than `RETENTION_DAYS`."""

from datetime import datetime, timedelta
from typing import Final

from ingest.contract import Warehouse

# The tables that hold clicks, the column of each that tells when, and the cutoff in that column's own type:
# where a DateTime64 is compared with a DateTime, the engine prunes parts as if there were no milliseconds.
# Both are partitioned by the column's month.
_TABLES: Final = {
    "clicks": ("ts", "fromUnixTimestamp64Milli({cutoff:Int64} * 1000, 'UTC')"),
    "clicks_15m": ("start", "toDateTime({cutoff:Int64}, 'UTC')"),
}


def expire_clicks(warehouse: Warehouse, retention_days: int, now: datetime) -> int:
    """Drop what is older, in whole days of UTC; the number of months in which there was something to drop.

    Months that are wholly past go as partitions. The engine then forgets the tokens of their inserts, so a
    batch that is repeated after that brings its rows back until the next run; `removed_clicks` has them once.
    """
    cutoff = (now - timedelta(days=retention_days)).replace(hour=0, minute=0, second=0, microsecond=0)
    cutoff_month = cutoff.year * 100 + cutoff.month
    parameters = {"cutoff": int(cutoff.timestamp())}
    dropped = 0
    for table, (column, at_cutoff) in _TABLES.items():
        # S608: the names put into these statements are our own.
        older = f"{column} < {at_cutoff}"
        months = warehouse.query(f"SELECT DISTINCT toYYYYMM({column}) FROM {table} WHERE {older}", parameters)  # noqa: S608
        if table == "clicks" and months:
            clicks = f"SELECT source, seq, now64(3) FROM clicks WHERE {older}"  # noqa: S608
            warehouse.command(f"INSERT INTO removed_clicks (source, seq, removed_at) {clicks}", parameters)
        for (month,) in months:
            if month < cutoff_month:
                warehouse.command(f"ALTER TABLE {table} DROP PARTITION {int(month)}")
            else:
                warehouse.command(f"DELETE FROM {table} WHERE {older}", parameters)  # noqa: S608
        dropped += len(months)
    return dropped
