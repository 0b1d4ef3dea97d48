"""Ships clicks from spools to a real Kafka, ingests them into a ClickHouse over HTTP, says what each cost.

    python -m loadtests.bus [--clicks 400000]

The program has one core, Kafka and the warehouse the other. Ingest is compared with the bare insert: the same
columns, made beforehand, into the same table without its views. Ends with 1 where a target is missed.
"""

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from aggregator.contract import migrate
from edge.contract import Settings
from ingest.contract import Warehouse, open_warehouse
from ingest.dead_letters import DeadLetters
from ingest.enrich.steps import Enrichment, open_enrichment
from ingest.kafka.address import parse_address
from ingest.metrics import IngestMetrics
from ingest.runner import GC_THRESHOLD as INGEST_GC_THRESHOLD
from ingest.runner import MAX_ROWS, Runner
from ingest.shipper.__main__ import GC_THRESHOLD as SHIPPER_GC_THRESHOLD
from ingest.shipper.metrics import ShipperMetrics
from ingest.shipper.runner import Shipper
from ingest.sources.kafka import KafkaSource
from loadtests.bus.clicks import some_clicks, spool_clicks
from loadtests.processes import cpu_s
from tests.fixtures.warehouse import clickhouse_server
from tests.kafka.cluster import KafkaCluster, kafka_cluster

SOURCES: Final = 8
OURS, THEIRS = {0}, {1}
DEADLINE_S: Final = 300


@dataclass(frozen=True, slots=True)
class Cost:
    """`rate` is clicks a second; CPU times are microseconds a click."""

    rate: float
    cpu_us: float
    warehouse_cpu_us: float = 0.0


async def ship(settings: Settings, clicks: int) -> Cost:
    """Move all that is spooled to Kafka."""
    assert settings.events_url is not None
    registry, stop = CollectorRegistry(), asyncio.Event()
    shipper = Shipper(settings, parse_address(settings.events_url), ShipperMetrics(registry))
    gc.set_threshold(SHIPPER_GC_THRESHOLD, 10, 10)
    began_s, cpu = time.perf_counter(), time.process_time()
    serving = asyncio.create_task(shipper.serve(stop))
    await _until(lambda: (registry.get_sample_value("smartlinks_shipper_sent_total") or 0) >= clicks)
    cost = Cost(clicks / (time.perf_counter() - began_s), (time.process_time() - cpu) / clicks * 1e6)
    stop.set()
    await serving
    await shipper.close()
    return cost


async def ingest(settings: Settings, warehouse: Warehouse, warehouse_pid: int, clicks: int) -> Cost:
    """Store all that was shipped, in rows and rollups; measured from the first stored batch on."""
    assert settings.events_url is not None
    enrichment = open_enrichment(data_dir=settings.data_dir, geoip_path=None, warehouse=warehouse)
    source = KafkaSource(parse_address(settings.events_url))
    registry, stop = CollectorRegistry(), asyncio.Event()
    metrics = IngestMetrics(registry, lag=source.lag, lag_unit=source.unit, cache_uses=enrichment.cache_uses)

    def stored() -> float:
        return registry.get_sample_value("smartlinks_ingest_stored_total") or 0

    gc.set_threshold(INGEST_GC_THRESHOLD, 10, 10)
    gc.freeze()
    serving = asyncio.create_task(
        Runner(source, warehouse, enrichment, DeadLetters(warehouse), metrics).serve(stop)
    )
    await _until(lambda: stored() > 0)
    before = stored()
    began_s, cpu, theirs = time.perf_counter(), time.process_time(), cpu_s(warehouse_pid)
    await _until(lambda: stored() >= clicks)
    measured = clicks - before
    cost = Cost(
        measured / (time.perf_counter() - began_s),
        (time.process_time() - cpu) / measured * 1e6,
        (cpu_s(warehouse_pid) - theirs) / measured * 1e6,
    )
    stop.set()
    await serving
    await source.close()
    return cost


def insert_bare(warehouse: Warehouse, enrichment: Enrichment, clicks: int) -> Cost:
    """Insert rows made beforehand into a table of the same columns that has no views."""
    warehouse.command("CREATE TABLE bare AS clicks")
    columns = enrichment.columns(some_clicks(MAX_ROWS), now_ms=time.time_ns() // 1_000_000)
    batches = clicks // MAX_ROWS
    began_s, cpu = time.perf_counter(), time.process_time()
    for number in range(batches):
        warehouse.insert("bare", columns, token=f"bare:{number}")
    rows = batches * MAX_ROWS
    return Cost(rows / (time.perf_counter() - began_s), (time.process_time() - cpu) / rows * 1e6)


def count_wrong(warehouse: Warehouse, clicks: int) -> int:
    """How many clicks are not stored, or more than once."""
    ((stored, unique),) = warehouse.query("SELECT count(), uniqExact(source, seq) FROM clicks")
    return int(clicks - unique + stored - unique)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not done():  # noqa: ASYNC110 - counters have no event to wait for
            await asyncio.sleep(0.01)


def _say(what: str, figure: float, target: float, *, at_most: bool) -> bool:
    met = figure <= target if at_most else figure >= target
    bound = "at most" if at_most else "at least"
    print(f"{what:<48} {figure:>12,.2f}   {bound} {target:,g}   {'met' if met else 'MISSED'}")
    return met


def _measure(
    folder: Path, cluster: KafkaCluster, warehouse_url: str, warehouse_pid: int, clicks: int
) -> bool:
    settings = Settings(data_dir=folder / "var", events_url=cluster.url, clickhouse_url=warehouse_url)
    warehouse = open_warehouse(warehouse_url, folder=folder)
    migrate(warehouse)
    spool_clicks(settings.spool_dir, sources=SOURCES, clicks=clicks)
    shipped = asyncio.run(ship(settings, clicks))
    stored = asyncio.run(ingest(settings, warehouse, warehouse_pid, clicks))
    wrong = count_wrong(warehouse, clicks)
    enrichment = open_enrichment(data_dir=settings.data_dir, geoip_path=None, warehouse=warehouse)
    bare = insert_bare(warehouse, enrichment, clicks)
    warehouse.close()
    print(f"{'CPU of ingest, µs a click':<48} {stored.cpu_us:>12.2f}")
    print(f"{'CPU of the warehouse, µs a click':<48} {stored.warehouse_cpu_us:>12.2f}")
    print(f"{'shipped a second':<48} {shipped.rate:>12,.0f}")
    print(f"{'bare insert, rows a second':<48} {bare.rate:>12,.0f}")
    return all(
        [
            _say("clicks lost, or stored twice", wrong, 0, at_most=True),
            _say("CPU of the shipper, µs a click", shipped.cpu_us, 1.5, at_most=True),
            _say("ingest from Kafka, clicks a second", stored.rate, 60_000, at_most=False),
            _say("of the bare insert's rate", stored.rate / bare.rate, 0.5, at_most=False),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clicks", type=int, default=400_000)
    clicks = parser.parse_args().clicks // SOURCES // 100 * SOURCES * 100
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bus-", dir="/tmp")))
        os.sched_setaffinity(0, THEIRS)  # what is started now inherits it
        cluster = stack.enter_context(kafka_cluster(folder))
        url, server = stack.enter_context(clickhouse_server(folder))
        os.sched_setaffinity(0, OURS)
        return 0 if _measure(folder, cluster, url, server.pid, clicks) else 1


if __name__ == "__main__":
    sys.exit(main())
