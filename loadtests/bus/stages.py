"""The stages between spool and rows, each run as its program runs it, and what it costs."""

import asyncio
import gc
import time
from collections.abc import Callable
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
from ingest.runner import Runner
from ingest.shipper.memory import keep_freed_blocks, tune_memory
from ingest.shipper.metrics import ShipperMetrics
from ingest.shipper.runner import Shipper
from ingest.sources import open_source
from loadtests.bus.clicks import some_clicks
from loadtests.bus.cost import Cost, Stopwatch

DEADLINE_S: Final = 300


async def ship(settings: Settings, clicks: int) -> Cost:
    """Move all that is spooled to Kafka."""
    assert settings.events_url is not None
    registry, stop = CollectorRegistry(), asyncio.Event()
    shipper = Shipper(settings, parse_address(settings.events_url), ShipperMetrics(registry))
    tune_memory()
    watch = Stopwatch()
    serving = asyncio.create_task(shipper.serve(stop))
    await _until(lambda: (registry.get_sample_value("smartlinks_shipper_sent_total") or 0) >= clicks)
    cost = watch.cost(clicks)
    stop.set()
    await serving
    await shipper.close()
    return cost


async def ingest(
    settings: Settings,
    warehouse: Warehouse,
    enrichment: Enrichment,
    clicks: int,
    *,
    warehouse_pid: int | None,
) -> Cost:
    """Store all that there is at the source, in rows and rollups.

    Measured from the first decoded part on, when the consumer is connected, to the last commit's insert.
    """
    source = open_source(settings.events_url, settings.spool_dir)
    registry, stop = CollectorRegistry(), asyncio.Event()
    metrics = IngestMetrics(registry, lag=source.lag, lag_unit=source.unit, cache_uses=enrichment.cache_uses)

    def count(name: str) -> float:
        return registry.get_sample_value(f"smartlinks_ingest_{name}") or 0

    keep_freed_blocks()
    gc.set_threshold(GC_THRESHOLD, 10, 10)
    gc.freeze()
    serving = asyncio.create_task(
        Runner(source, warehouse, enrichment, DeadLetters(warehouse), metrics).serve(stop)
    )
    await _until(lambda: count("consumed_total") > 0)
    watch = Stopwatch(warehouse_pid)
    await _until(lambda: count("stored_total") >= clicks)
    cost = watch.cost(clicks, batch_rows=round(clicks / count("batch_clicks_count")))
    stop.set()
    await serving
    await source.close()
    return cost


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
