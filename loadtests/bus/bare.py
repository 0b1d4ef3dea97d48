"""The same rows into a table of the same columns that has no views: what ingest is compared with.

How fast they go there can be said in three ways, and all are measured:

| measured | what it is |
| --- | --- |
| ingest with `BareWarehouse`, `Unenriched` | ingest itself without enrichment and views: what those cost |
| `insert_by_client` | `insert` of clickhouse-connect, as anyone calls it: none of it is our code |
| `insert_ready` | our own writer, with columns that lie ready: what a warehouse takes from one client |
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from clickhouse_connect.driver.client import Client

from ingest.clickhouse_session import INSERT_SETTINGS
from ingest.columns import CodedColumn, Column
from ingest.contract import Warehouse
from ingest.enrich.geo import Geo
from ingest.enrich.steps import Batch, Enrichment, Step
from ingest.enrich.visitor import KEY_BYTES, VisitorIds
from ingest.runner import BATCHES_IN_HAND
from loadtests.bus.cost import Cost, Stopwatch

BARE: Final = "bare"
# Of the columns that enrichment makes; the others are texts.
_NUMBERS: Final = {
    "rules_version": np.uint16,
    "visitor": np.uint64,
    "latitude": np.float32,
    "longitude": np.float32,
    "asn": np.uint32,
}


class BareWarehouse:
    """A warehouse in which clicks go into the bare table."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def insert(self, table: str, columns: Mapping[str, Column], *, token: str) -> None:
        self._warehouse.insert(BARE if table == "clicks" else table, columns, token=token)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)


class Unenriched(Enrichment):
    """Rows with what the events say; what enrichment would add to it is blank."""

    def __init__(self) -> None:
        super().__init__(geo=Geo(None), visitor_ids=VisitorIds(bytes(KEY_BYTES)))
        carry, *left_out, privacy = self.steps
        self._blank = tuple(name for step in left_out for name in step.columns)
        self.steps = (carry, Step("blank", self._blank, self._leave_blank), privacy)

    def _leave_blank(self, batch: Batch) -> Iterable[Column]:
        rows = len(batch.clicks)
        for name in self._blank:
            if name in _NUMBERS:
                yield np.zeros(rows, _NUMBERS[name])
            else:
                yield CodedColumn([""], np.zeros(rows, np.intp))


def empty_bare_table(warehouse: Warehouse) -> None:
    """Make it, or make it anew."""
    warehouse.command(f"DROP TABLE IF EXISTS {BARE} SYNC")
    warehouse.command(f"CREATE TABLE {BARE} AS clicks")


def insert_ready(
    warehouse: Warehouse, ready: Mapping[str, Column], seconds: float, *, warehouse_pid: int | None
) -> Cost:
    """Insert rows that lie `ready` as ingest makes them."""
    return _insert_for(
        seconds,
        lambda number: warehouse.insert(BARE, ready, token=f"ready:{number}"),
        rows=len(ready["ts"]),
        warehouse_pid=warehouse_pid,
    )


def insert_by_client(
    client: Client, ready: Mapping[str, Column], seconds: float, *, warehouse_pid: int | None
) -> Cost:
    """Insert the same rows by clickhouse-connect's `insert`, as columns of Python's own values."""
    values = [plain_values(column) for column in ready.values()]

    def insert(number: int) -> None:
        token = {"insert_deduplication_token": f"client:{number}"}
        client.insert(BARE, values, list(ready), column_oriented=True, settings={**INSERT_SETTINGS, **token})

    return _insert_for(seconds, insert, rows=len(values[0]), warehouse_pid=warehouse_pid)


def plain_values(column: Column) -> list[Any]:
    """A column's values as Python has them, one a row."""
    return column.tolist() if isinstance(column, np.ndarray) else list(column)


def _insert_for(
    seconds: float, insert: Callable[[int], None], *, rows: int, warehouse_pid: int | None
) -> Cost:
    """`insert` again and again, each time with another number.

    As many at a time as ingest has, each of as many rows, and for as long: so the warehouse has the same time
    to merge them.
    """
    numbers = itertools.count()
    watch = Stopwatch(warehouse_pid)

    def insert_on() -> int:
        inserts = 0
        while watch.seconds < seconds:
            insert(next(numbers))
            inserts += 1
        return inserts

    with ThreadPoolExecutor(BATCHES_IN_HAND) as threads:
        inserting = [threads.submit(insert_on) for _ in range(BATCHES_IN_HAND)]
        inserts = sum(each.result() for each in inserting)
    return watch.cost(rows * inserts, batch_rows=rows)
