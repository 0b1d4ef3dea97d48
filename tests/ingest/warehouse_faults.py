"""Ingest against a warehouse over HTTP whose replies are lost, or which is killed; short forms in the suite.

`python -m tests.ingest.warehouse_faults [cuts]` cuts the replies of 200 inserts and prints what was counted.
"""

import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from aggregator.contract import Ledger, migrate, read_ledger
from edge.contract import SpoolWriter, frame
from ingest.contract import Warehouse, open_warehouse
from ingest.dead_letters import DeadLetters
from ingest.enrich.steps import open_enrichment
from ingest.metrics import IngestMetrics
from ingest.runner import Runner
from ingest.sources import open_source
from tests.fixtures.warehouse import clickhouse_server
from tests.ingest.click_events import click_json
from tests.ingest.cutting_proxy import cutting_proxy

ROWS_A_BATCH = 50
DEADLINE_S = 240.0
_databases = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was spooled, what the warehouse says of it, and how often ingest had to try again."""

    spooled: int
    ledger: Ledger
    distinct: int
    retries: int

    def check(self) -> None:
        ledger = self.ledger
        counted = {ledger.rows, ledger.stored, ledger.in_rollup, ledger.account.answered, self.distinct}
        assert counted == {self.spooled}, (self.spooled, ledger, self.distinct)
        assert ledger.is_balanced, ledger.differences


def spool_clicks(spool_dir: Path, clicks: int) -> None:
    writer = SpoolWriter(spool_dir)
    for _ in range(clicks):
        writer.append(frame(click_json(source=writer.source, seq=writer.take_seq())))
    writer.close()


async def ingest_all(
    data_dir: Path, warehouse: Warehouse, clicks: int, meanwhile: Callable[[Warehouse], Awaitable[None]]
) -> Outcome:
    """Ingest so many clicks by a real runner, while something happens to the warehouse."""
    spool_dir = data_dir / "spool" / "clicks"
    await asyncio.to_thread(spool_clicks, spool_dir, clicks)
    source = open_source(None, spool_dir)
    enrichment = open_enrichment(data_dir=data_dir, geoip_path=None, warehouse=warehouse)
    registry = CollectorRegistry()
    metrics = IngestMetrics(registry, lag=source.lag, lag_unit=source.unit, cache_uses=enrichment.cache_uses)
    runner = Runner(source, warehouse, enrichment, DeadLetters(warehouse), metrics, max_rows=ROWS_A_BATCH)
    stop = asyncio.Event()
    serving = asyncio.create_task(runner.serve(stop))
    try:
        await meanwhile(warehouse)
        deadline = time.monotonic() + DEADLINE_S
        while registry.get_sample_value("smartlinks_ingest_stored_total") != clicks:
            assert not serving.done(), serving
            assert time.monotonic() < deadline, runner.trouble
            await asyncio.sleep(0.05)
    finally:
        stop.set()
        await serving
        await source.close()
    ledger = await asyncio.to_thread(read_ledger, warehouse, spool_dir)
    ((distinct,),) = await asyncio.to_thread(warehouse.query, "SELECT uniqExact(source, seq) FROM clicks")
    retries = registry.get_sample_value("smartlinks_ingest_retries_total") or 0
    return Outcome(clicks, ledger, int(distinct), int(retries))


async def cut_replies(data_dir: Path, url: str, cuts: int) -> Outcome:
    """Lose the replies of `cuts` inserts, each after the server has done it."""
    database = f"cut_replies_{next(_databases)}"
    direct = await asyncio.to_thread(open_warehouse, url, folder=data_dir, database=database)
    await asyncio.to_thread(migrate, direct)
    async with cutting_proxy(url, "`clicks`", cuts) as (proxy_url, proxy):
        warehouse = await asyncio.to_thread(open_warehouse, proxy_url, folder=data_dir, database=database)

        async def nothing(_: Warehouse) -> None:
            return

        outcome = await ingest_all(data_dir, warehouse, cuts * ROWS_A_BATCH + 7, nothing)
        assert proxy.cuts_left == 0
        warehouse.close()
    direct.close()
    return outcome


async def main(cuts: int) -> None:
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, clickhouse_server(Path(folder)) as (url, _):
        began_s = time.monotonic()
        outcome = await cut_replies(Path(folder), url, cuts)
        outcome.check()
    print(  # noqa: T201 - a program that tells
        f"{cuts} replies cut, {outcome.retries} inserts tried again, {outcome.spooled:,} clicks spooled,"
        f" {outcome.ledger.rows:,} rows, {outcome.ledger.in_rollup:,} in the rollups,"
        f" {outcome.distinct:,} distinct, in {time.monotonic() - began_s:.0f} s"
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
