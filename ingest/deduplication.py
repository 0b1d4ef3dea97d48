"""The start-up probe: a repeated insert must be stored once, in the table and behind its view.

Exactly-once rests on it, and the settings that it needs have changed their defaults from version to version.
"""

import secrets

from ingest.warehouse import Warehouse, WarehouseError


def verify_deduplication(warehouse: Warehouse) -> None:
    """Insert a block twice and count. Raises `WarehouseError` where it was stored twice."""
    probe = f"probe_{secrets.token_hex(8)}"  # several programs may start at once
    window = "SETTINGS non_replicated_deduplication_window = 100"
    try:
        warehouse.command(f"CREATE TABLE {probe} (n UInt64) ENGINE = MergeTree ORDER BY n {window}")
        warehouse.command(
            f"CREATE TABLE {probe}_sum (total SimpleAggregateFunction(sum, UInt64))"
            f" ENGINE = AggregatingMergeTree ORDER BY tuple() {window}"
        )
        select = f"SELECT sum(n) AS total FROM {probe}"  # noqa: S608 - our own name
        warehouse.command(f"CREATE MATERIALIZED VIEW {probe}_view TO {probe}_sum AS {select}")
        for _ in range(2):
            warehouse.insert(probe, {"n": [1, 2, 3]}, token=probe)
        ((rows,),) = warehouse.query(f"SELECT count() FROM {probe}")  # noqa: S608 - our own name
        ((total,),) = warehouse.query(f"SELECT sum(total) FROM {probe}_sum")  # noqa: S608 - our own name
    finally:
        for suffix in ("_view", "_sum", ""):
            warehouse.command(f"DROP TABLE IF EXISTS {probe}{suffix} SYNC")
    if (rows, total) != (3, 6):
        raise WarehouseError(
            f"the warehouse stored a repeated insert again (3 rows became {rows}, the sum 6 became {total}):"
            " its user must be allowed to set insert_deduplicate, insert_deduplication_token and"
            " deduplicate_blocks_in_dependent_materialized_views"
        )
