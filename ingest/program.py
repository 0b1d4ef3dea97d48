"""The program of ingest put together: source, enrichment, runner and what it tells of itself."""

import asyncio
import gc
from contextlib import AsyncExitStack
from typing import Final

from prometheus_client import CollectorRegistry

from edge.contract import Ops, Settings
from ingest.dead_letter_budget import DeadLetterBudget
from ingest.dead_letters import DeadLetters
from ingest.enrich.steps import open_enrichment
from ingest.kafka.address import parse_address
from ingest.metrics import IngestMetrics
from ingest.runner import Runner
from ingest.shipper.memory import keep_freed_blocks
from ingest.sources import open_source
from ingest.warehouse import Warehouse

GC_THRESHOLD: Final = 50_000
"""Clicks make no cycles; looking for some takes a tenth of a click's time."""


async def run(settings: Settings, warehouse: Warehouse, stop: asyncio.Event) -> None:
    """Consume until `stop` is set, then finish the batch in hand. Serves metrics on `METRICS_PORT` + 1.

    Raises `WarehouseError` where the warehouse refuses a batch: the batch stays planned, nothing is dropped.
    Raises `SettingsError`, `SpoolInUseError`, `VisitorKeyError` or `OSError` where it can't start.
    """
    enrichment = await asyncio.to_thread(
        open_enrichment, data_dir=settings.data_dir, geoip_path=settings.geoip_path, warehouse=warehouse
    )
    source = open_source(settings.events_url, settings.spool_dir)
    gc.set_threshold(GC_THRESHOLD, 10, 10)
    keep_freed_blocks()
    gc.freeze()  # modules and parsers stay for ever; a collection that need not walk them saves a sixth a row
    async with AsyncExitStack() as stack:
        stack.push_async_callback(source.close)
        send_dead_letters = None
        if settings.events_url is not None:
            from ingest.kafka.dead_letter_topic import DeadLetterTopic

            topic = DeadLetterTopic(parse_address(settings.events_url))
            stack.push_async_callback(topic.close)
            send_dead_letters = topic.send
        registry = CollectorRegistry()
        metrics = IngestMetrics(
            registry, lag=source.lag, lag_unit=source.unit, cache_uses=enrichment.cache_uses
        )
        runner = Runner(
            *(source, warehouse, enrichment, DeadLetters(warehouse), metrics),
            budget=DeadLetterBudget(max_percent=settings.dead_letter_percent),
            send_dead_letters=send_dead_letters,
        )
        ops = Ops("ingest", registry)
        ops.ready_when("clicks", lambda: runner.trouble)
        await ops.start(settings.api_host, settings.metrics_port + 1)
        stack.push_async_callback(ops.close)
        await runner.serve(stop)
