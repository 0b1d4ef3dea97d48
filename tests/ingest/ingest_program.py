"""A program that ingests a data folder and dies by SIGKILL at a chosen point, or counts when all is stored.

`python -m tests.ingest.ingest_program <data folder> <point> <nth>`; with the point `none` it ends by itself
once the spool is stored, and prints what the warehouse holds as JSON.
"""

import asyncio
import os
import random
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import orjson
from prometheus_client import CollectorRegistry

from aggregator.contract import migrate
from ingest.contract import Warehouse, open_warehouse
from ingest.dead_letters import DeadLetters
from ingest.enrich.steps import open_enrichment
from ingest.metrics import IngestMetrics
from ingest.runner import Runner
from ingest.sources import open_source
from ingest.sources.source import Fetched, Range, Source

POINTS = ("fetched", "planned", "inserting", "inserted", "committed")
MAX_ROWS = 700  # so that a few thousand clicks are many batches


class Reaper:
    """Kills this process at the nth passage of one point."""

    def __init__(self, point: str, nth: int) -> None:
        self._point = point
        self._left = nth

    def passes(self, point: str) -> None:
        if self.comes(point):
            _die()

    def comes(self, point: str) -> bool:
        self._left -= point == self._point
        return point == self._point and self._left == 0


class MortalSource:
    def __init__(self, source: Source, reaper: Reaper) -> None:
        self._source = source
        self._reaper = reaper
        self.has_fetched = False

    async def fetch(self, max_records: int, max_wait_s: float) -> Sequence[Fetched]:
        fetched = await self._source.fetch(max_records, max_wait_s)
        self.has_fetched = True
        if fetched:
            self._reaper.passes("fetched")
        return fetched

    async def plan(self, batch: Range) -> None:
        await self._source.plan(batch)
        self._reaper.passes("planned")

    async def commit(self, batch: Range) -> None:
        await self._source.commit(batch)
        self._reaper.passes("committed")

    @property
    def unit(self) -> Literal["bytes", "events"]:
        return self._source.unit

    def lag(self) -> int:
        return self._source.lag()

    async def close(self) -> None:
        await self._source.close()


class MortalWarehouse:
    """Only what the runner calls of a warehouse may die; the probe at its start may not."""

    def __init__(self, warehouse: Warehouse, reaper: Reaper) -> None:
        self._warehouse = warehouse
        self._reaper = reaper

    def insert(self, table: str, columns: Mapping[str, Sequence[object]], *, token: str) -> None:
        if table == "clicks" and self._reaper.comes("inserting"):
            threading.Timer(random.uniform(0, 0.015), _die).start()
        self._warehouse.insert(table, columns, token=token)
        if table == "clicks":
            self._reaper.passes("inserted")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def mortal_runner(source: MortalSource, data_dir: Path, warehouse: Warehouse, reaper: Reaper) -> Runner:
    """A runner over this source whose batches are small."""
    enrichment = open_enrichment(data_dir=data_dir, geoip_path=None, warehouse=warehouse)
    metrics = IngestMetrics(
        CollectorRegistry(), lag=source.lag, lag_unit=source.unit, cache_uses=enrichment.cache_uses
    )
    mortal: Any = MortalWarehouse(warehouse, reaper)
    return Runner(source, mortal, enrichment, DeadLetters(warehouse), metrics, max_rows=MAX_ROWS)


async def _ingest(data_dir: Path, warehouse: Warehouse, reaper: Reaper) -> None:
    spool = data_dir / "spool" / "clicks"
    source = MortalSource(open_source(None, spool), reaper)
    runner = mortal_runner(source, data_dir, warehouse, reaper)
    stop = asyncio.Event()
    serving = asyncio.create_task(runner.serve(stop))

    def is_through() -> bool:
        """A source that was not looked for yet has no lag either."""
        return source.has_fetched and runner.trouble is None and not source.lag() and source_seen(spool)

    while not serving.done() and not is_through():
        await asyncio.wait([serving], timeout=0.02)
    stop.set()
    await serving
    await source.close()


def source_seen(spool: Path) -> bool:
    """Every source that still lies there was begun, so that no lag means that nothing is left."""
    return all((folder / "position.json").exists() for folder in spool.iterdir() if folder.name.isdecimal())


def main() -> None:
    data_dir, point, nth = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    warehouse = open_warehouse(None, folder=data_dir / "warehouse")
    migrate(warehouse)
    asyncio.run(_ingest(data_dir, warehouse, Reaper(point, nth)))
    counts = {
        "clicks": warehouse.query(
            "SELECT source, count(), uniqExact(seq), max(seq) FROM clicks GROUP BY source"
        ),
        "sources": warehouse.query(
            "SELECT source, sum(clicks), max(last_seq) FROM click_sources GROUP BY source"
        ),
        "dead": warehouse.query("SELECT count() FROM dead_letters"),
        "quarters": warehouse.query("SELECT sum(clicks) FROM click_changes WHERE scope = 'tenant'"),
    }
    warehouse.close()
    sys.stdout.buffer.write(orjson.dumps(counts))


if __name__ == "__main__":
    main()
