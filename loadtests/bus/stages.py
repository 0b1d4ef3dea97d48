"""The stages between spool and rows, each run as its program runs it, and what it costs."""

import asyncio
import gc
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry

from deploy.standalone.city_database import databases_path
from edge.contract import Settings
from ingest.columns import Column
from ingest.contract import Warehouse
from ingest.dead_letters import DeadLetters
from ingest.enrich.steps import Enrichment, open_enrichment
from ingest.kafka.address import parse_address
from ingest.metrics import IngestMetrics
from ingest.program import GC_THRESHOLD
from ingest.runner import BATCHES_IN_HAND, Runner
from ingest.shipper.memory import keep_freed_blocks, tune_memory
from ingest.shipper.metrics import ShipperMetrics
from ingest.shipper.runner import Shipper
from ingest.sources import open_source
from loadtests.bus.clicks import some_clicks
from loadtests.processes import cpu_s

DEADLINE_S: Final = 300


@dataclass(frozen=True, slots=True)
class Cost:
    """`rate` is clicks a second; CPU times are microseconds a click.

    The warehouse's own is 0 where it is in this process, and where it is not asked. `batch_rows` is how many
    clicks an insert had, `seconds` how long it took.
    """

    rate: float
    cpu_us: float
    warehouse_cpu_us: float = 0.0
    batch_rows: int = 0
    seconds: float = 0.0


async def ship(settings: Settings, clicks: int) -> Cost:
    """Move all that is spooled to Kafka."""
    assert settings.events_url is not None
    registry, stop = CollectorRegistry(), asyncio.Event()
    shipper = Shipper(settings, parse_address(settings.events_url), ShipperMetrics(registry))
    tune_memory()
    began_s, cpu = time.perf_counter(), time.process_time()
    serving = asyncio.create_task(shipper.serve(stop))
    await _until(lambda: (registry.get_sample_value("smartlinks_shipper_sent_total") or 0) >= clicks)
    cost = Cost(clicks / (time.perf_counter() - began_s), (time.process_time() - cpu) / clicks * 1e6)
    stop.set()
    await serving
    await shipper.close()
    return cost


async def ingest(settings: Settings, warehouse: Warehouse, clicks: int, *, warehouse_pid: int | None) -> Cost:
    """Store all that there is at the source, in rows and rollups; measured from the first stored batch on."""
    enrichment = open_databases(settings, warehouse)
    source = open_source(settings.events_url, settings.spool_dir)
    registry, stop = CollectorRegistry(), asyncio.Event()
    metrics = IngestMetrics(registry, lag=source.lag, lag_unit=source.unit, cache_uses=enrichment.cache_uses)

    def stored() -> float:
        return registry.get_sample_value("smartlinks_ingest_stored_total") or 0

    keep_freed_blocks()
    gc.set_threshold(GC_THRESHOLD, 10, 10)
    gc.freeze()
    serving = asyncio.create_task(
        Runner(source, warehouse, enrichment, DeadLetters(warehouse), metrics).serve(stop)
    )
    await _until(lambda: stored() > 0)
    before = stored()
    began_s, cpu, theirs = time.perf_counter(), time.process_time(), _cpu_of(warehouse_pid)
    await _until(lambda: stored() >= clicks)
    measured = clicks - before
    seconds = time.perf_counter() - began_s
    cost = Cost(
        measured / seconds,
        (time.process_time() - cpu) / measured * 1e6,
        (_cpu_of(warehouse_pid) - theirs) / measured * 1e6,
        round(clicks / (registry.get_sample_value("smartlinks_ingest_batch_clicks_count") or 1)),
        seconds,
    )
    stop.set()
    await serving
    await source.close()
    return cost


def insert_bare(
    warehouse: Warehouse, ready: dict[str, Column], seconds: float, *, name: str, warehouse_pid: int | None
) -> Cost:
    """Insert rows that lie `ready`, again and again, into a table of the same columns that has no views.

    As many inserts at a time as ingest has, each of as many rows, and for as long: so the warehouse has the
    same time to merge them. `name` is of this measurement alone.
    """
    warehouse.command("CREATE TABLE IF NOT EXISTS bare AS clicks")
    numbers = itertools.count()
    began_s, cpu, theirs = time.perf_counter(), time.process_time(), _cpu_of(warehouse_pid)

    def insert_on() -> int:
        inserts = 0
        while time.perf_counter() < began_s + seconds:
            warehouse.insert("bare", ready, token=f"{name}:{next(numbers)}")
            inserts += 1
        return inserts

    with ThreadPoolExecutor(BATCHES_IN_HAND) as threads:
        inserting = [threads.submit(insert_on) for _ in range(BATCHES_IN_HAND)]
        rows = len(ready["ts"]) * sum(each.result() for each in inserting)
    return Cost(
        rows / (time.perf_counter() - began_s),
        (time.process_time() - cpu) / rows * 1e6,
        (_cpu_of(warehouse_pid) - theirs) / rows * 1e6,
    )


def make_rows(settings: Settings, warehouse: Warehouse, count: int) -> dict[str, Column]:
    """The columns of so many clicks, as ingest makes them."""
    enrichment = open_databases(settings, warehouse)
    return enrichment.columns(some_clicks(count), now_ms=time.time_ns() // 1_000_000)


def settle(warehouse: Warehouse) -> None:
    """Wait until nothing merges, so that no stage bears what the one before it left to do."""
    ends_s = time.monotonic() + DEADLINE_S
    while warehouse.query("SELECT count() FROM system.merges") != [(0,)]:
        if time.monotonic() > ends_s:
            raise TimeoutError(f"the warehouse still merges after {DEADLINE_S} s")
        time.sleep(0.1)


def _cpu_of(pid: int | None) -> float:
    return 0.0 if pid is None else cpu_s(pid)


def count_wrong(warehouse: Warehouse, clicks: int) -> int:
    """How many clicks are not stored, or more than once."""
    ((stored, unique),) = warehouse.query("SELECT count(), uniqExact(source, seq) FROM clicks")
    return int(clicks - unique + stored - unique)


def open_databases(settings: Settings, warehouse: Warehouse) -> Enrichment:
    """The enrichment with the databases of places and networks that `make run` uses, if they are here."""
    return open_enrichment(data_dir=settings.data_dir, geoip_path=databases_path(), warehouse=warehouse)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not done():  # noqa: ASYNC110 - counters have no event to wait for
            await asyncio.sleep(0.01)
