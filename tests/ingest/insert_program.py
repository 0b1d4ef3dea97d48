"""Inserts one block into a table with a view and a view on that: `<url or ""> <folder> <token>`.

Prints of each its name, the sum of what is in it, and its folder, a line each.
"""

import sys
from pathlib import Path

from ingest.contract import open_warehouse

DEFINITIONS = (
    "TABLE IF NOT EXISTS numbers (n UInt64) ENGINE = MergeTree",
    "TABLE IF NOT EXISTS sums (n SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree",
    "TABLE IF NOT EXISTS sums_of_sums (n SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree",
)
VIEWS = (
    "MATERIALIZED VIEW IF NOT EXISTS first TO sums AS SELECT sum(n) AS n FROM numbers",
    "MATERIALIZED VIEW IF NOT EXISTS second TO sums_of_sums AS SELECT sum(n) AS n FROM sums",
)


def main(url: str, folder: str, token: str) -> None:
    warehouse = open_warehouse(url or None, folder=Path(folder))
    for table in DEFINITIONS:
        warehouse.command(
            f"CREATE {table} ORDER BY tuple() SETTINGS non_replicated_deduplication_window = 100"
        )
    for view in VIEWS:
        warehouse.command(f"CREATE {view}")
    warehouse.insert("numbers", {"n": [1, 2, 3] if token == "one" else [10]}, token=token)
    for name in ("numbers", "sums", "sums_of_sums"):
        ((total,),) = warehouse.query(f"SELECT sum(n) FROM {name}")
        ((path,),) = warehouse.query(
            "SELECT data_paths[1] FROM system.tables"
            " WHERE database = currentDatabase() AND name = {name:String}",
            {"name": name},
        )
        sys.stdout.write(f"{name} {total} {path}\n")
    warehouse.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
