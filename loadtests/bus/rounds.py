"""Rounds of all stages between spool and rows, by turns, on many machines and on one."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import clickhouse_connect
import uvloop
from clickhouse_connect.driver.client import Client

from aggregator.contract import migrate
from edge.contract import Settings
from ingest.chdb import ENGINE_OPTIONS
from ingest.contract import Warehouse, open_warehouse
from loadtests.bench.figures import Section, Target
from loadtests.bus.bare import (
    BareWarehouse,
    Unenriched,
    empty_bare_table,
    insert_by_client,
    insert_ready,
)
from loadtests.bus.clicks import spool_clicks
from loadtests.bus.cost import Cost
from loadtests.bus.stages import count_wrong, ingest, make_rows, open_databases, settle, ship
from tests.fixtures.warehouse import clickhouse_server
from tests.kafka.cluster import kafka_cluster

SOURCES: Final = 8
OURS, THEIRS = {0}, {1}
BOTH: Final = OURS | THEIRS
DATABASE: Final = "smartlinks"

SHIPPER: Final = "shipper"
INGEST: Final = "ingest"
UNENRICHED: Final = "ingest into the bare table, not enriched"
BY_CLIENT: Final = "bare insert by clickhouse-connect"
UNCOMPRESSED: Final = "the same, not compressed"
READY: Final = "bare insert by our writer, columns ready"
_BARE: Final = (UNENRICHED, BY_CLIENT, UNCOMPRESSED, READY)


@dataclass(slots=True)
class Rounds:
    """What each stage cost in each round."""

    costs: dict[str, list[Cost]] = field(default_factory=dict)

    def add(self, stage: str, cost: Cost) -> Cost:
        self.costs.setdefault(stage, []).append(cost)
        return cost

    def median(self, stage: str) -> Cost:
        """Of each figure its own."""
        costs = self.costs[stage]
        return Cost(
            rate=median(cost.rate for cost in costs),
            cpu_us=median(cost.cpu_us for cost in costs),
            warehouse_cpu_us=median(cost.warehouse_cpu_us for cost in costs),
        )

    def ratio(self, stage: str) -> float:
        """The median of ingest's rates over this stage's, each of one round."""
        both = zip(self.costs[INGEST], self.costs[stage], strict=True)
        return median(one.rate / other.rate for one, other in both)

    def row(self, stage: str) -> tuple[str, ...]:
        cost = self.median(stage)
        theirs = f"{cost.warehouse_cpu_us:.1f}" if cost.warehouse_cpu_us else ""
        ratio = f"{self.ratio(stage):.2f} x" if stage in _BARE else ""
        return stage, f"{cost.rate:,.0f}", f"{cost.cpu_us:.2f}", theirs, ratio


def measure_many(folder: Path, clicks: int, rounds: int) -> Section:
    """Spool to Kafka to ClickHouse."""
    folder.mkdir()
    found = Rounds()
    with ExitStack() as stack:
        os.sched_setaffinity(0, THEIRS)  # what is started now inherits it
        cluster = stack.enter_context(kafka_cluster(folder))
        url, server = stack.enter_context(clickhouse_server(folder))
        os.sched_setaffinity(0, OURS)
        stack.callback(os.sched_setaffinity, 0, BOTH)
        settings = Settings(data_dir=folder / "var", events_url=cluster.url, clickhouse_url=url)
        warehouse = open_warehouse(url, folder=folder, database=DATABASE)
        stack.callback(warehouse.close)
        migrate(warehouse)
        clients: dict[str, Client] = {}
        for stage, compress in ((BY_CLIENT, True), (UNCOMPRESSED, False)):  # True is its default
            clients[stage] = clickhouse_connect.get_client(
                dsn=url,
                database=DATABASE,
                compress=compress,
                autogenerate_session_id=False,  # several inserts at once
            )
            stack.callback(clients[stage].close)

        def fill() -> None:
            spool_clicks(settings.spool_dir, sources=SOURCES, clicks=clicks)
            found.add(SHIPPER, uvloop.run(ship(settings, clicks)))

        for _ in range(rounds):
            _measure_round(found, settings, warehouse, clients, clicks, fill=fill, warehouse_pid=server.pid)
        wrong = count_wrong(warehouse, rounds * clicks)
    return Section(
        title="From spool to rows on many machines",
        text=f"{rounds} rounds of {clicks:,} clicks of {SOURCES} spools; the median of each stage, and of the"
        " ratios in one round. Ingest and shipper on one core, a real Kafka 4.3 and a ClickHouse 26.7 over"
        " HTTP on the other.",
        columns=(
            "stage",
            "clicks a second",
            "CPU µs a click",
            "the warehouse's, on its core",
            "ingest's rate is",
        ),
        rows=[found.row(stage) for stage in (SHIPPER, INGEST, *_BARE)],
        targets=[
            _wrong(wrong, rounds * clicks, "Kafka"),
            Target("CPU of the shipper", found.median(SHIPPER).cpu_us, 1.5, unit="µs a click"),
            Target("ingest from Kafka", found.median(INGEST).rate, 60_000, "at least", "clicks a second"),
            *_halves(found, "ingest from Kafka"),
        ],
    )


def measure_one(folder: Path, clicks: int, rounds: int) -> Section:
    """Spool to chDB, all in this process."""
    folder.mkdir()
    found = Rounds()
    settings = Settings(data_dir=folder / "var")
    path = folder / "warehouse"
    with ExitStack() as stack:
        warehouse = open_warehouse(None, folder=path, database=DATABASE)
        stack.callback(warehouse.close)
        migrate(warehouse)
        client = clickhouse_connect.get_client(
            interface="chdb", path=str(path), database=DATABASE, chdb_options=ENGINE_OPTIONS
        )
        stack.callback(client.close)

        def fill() -> None:
            spool_clicks(settings.spool_dir, sources=2, clicks=clicks)

        for _ in range(rounds):
            _measure_round(
                found, settings, warehouse, {BY_CLIENT: client}, clicks, fill=fill, warehouse_pid=None
            )
        wrong = count_wrong(warehouse, rounds * clicks)
    columns = ("stage", "clicks a second", "CPU µs a click", "ingest's rate is")
    rows = [(*row[:3], row[4]) for row in map(found.row, (INGEST, UNENRICHED, BY_CLIENT, READY))]
    return Section(
        title="From spool to rows on one machine",
        text=f"{rounds} rounds of {clicks:,} clicks of two spools into chDB; CPU is the engine's, too.",
        columns=columns,
        rows=rows,
        targets=[
            _wrong(wrong, rounds * clicks, "one machine"),
            *_halves(found, "ingest on one machine"),
        ],
    )


def _measure_round(
    found: Rounds,
    settings: Settings,
    warehouse: Warehouse,
    clients: Mapping[str, Client],
    clicks: int,
    *,
    fill: Callable[[], None],
    warehouse_pid: int | None,
) -> None:
    """Ingest, then each bare insert; `clients` by stage. `fill` puts so many clicks where ingest reads."""
    fill()
    enrichment = open_databases(settings, warehouse)
    stored = found.add(
        INGEST, uvloop.run(ingest(settings, warehouse, enrichment, clicks, warehouse_pid=warehouse_pid))
    )
    settle(warehouse)
    fill()
    empty_bare_table(warehouse)
    bare: Any = BareWarehouse(warehouse)
    found.add(
        UNENRICHED, uvloop.run(ingest(settings, bare, Unenriched(), clicks, warehouse_pid=warehouse_pid))
    )
    ready = make_rows(settings, warehouse, stored.batch_rows)
    for stage, client in clients.items():
        empty_bare_table(warehouse)
        settle(warehouse)
        found.add(stage, insert_by_client(client, ready, stored.seconds, warehouse_pid=warehouse_pid))
    empty_bare_table(warehouse)
    settle(warehouse)
    found.add(READY, insert_ready(warehouse, ready, stored.seconds, warehouse_pid=warehouse_pid))
    empty_bare_table(warehouse)


def _halves(found: Rounds, name: str) -> list[Target]:
    """Half of the rate without enrichment and rollups, in both ways in which that can be read."""
    return [
        Target(name, found.ratio(stage), 0.5, "at least", f"x {stage}") for stage in (UNENRICHED, BY_CLIENT)
    ]


def _wrong(wrong: int, clicks: int, where: str) -> Target:
    return Target(f"clicks lost or doubled of {clicks:,}, {where}", wrong, 0, unit="")
