"""A runner with its parts over a real spool and warehouse, and what tests of it ask."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from edge.contract import SpoolWriter, frame
from ingest.columns import Column
from ingest.contract import Warehouse
from ingest.dead_letters import DeadLetters
from ingest.enrich.steps import open_enrichment
from ingest.metrics import IngestMetrics
from ingest.runner import Runner
from ingest.sources import open_source
from tests.ingest.click_events import NOON_MS, click_json

DEADLINE_S = 180


class Ingest:
    """A runner with its parts."""

    def __init__(self, data_dir: Path, warehouse: Any, *, max_rows: int = 1_000) -> None:
        enrichment = open_enrichment(data_dir=data_dir, geoip_path=None, warehouse=warehouse)
        self.registry = CollectorRegistry()
        self.source = open_source(None, data_dir / "spool" / "clicks")
        metrics = IngestMetrics(
            self.registry, lag=self.source.lag, lag_unit=self.source.unit, cache_uses=enrichment.cache_uses
        )
        self.runner = Runner(
            self.source, warehouse, enrichment, DeadLetters(warehouse), metrics, max_rows=max_rows
        )
        self.stop = asyncio.Event()

    def sample(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"smartlinks_ingest_{name}", labels) or 0.0


@asynccontextmanager
async def serving(ingest: Ingest) -> AsyncIterator[asyncio.Task[None]]:
    """The runner at work; stopped at the end. What it raised is the test's to look at."""
    task = asyncio.create_task(ingest.runner.serve(ingest.stop))
    try:
        yield task
    finally:
        ingest.stop.set()
        await asyncio.wait([task], timeout=DEADLINE_S)
        assert task.done()
        await ingest.source.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not what():  # noqa: ASYNC110 - what is waited for happens in files and in an engine
            await asyncio.sleep(0.01)


def spool(writer: SpoolWriter, count: int = 1, **fields: Any) -> None:
    events = (
        {"source": writer.source, "seq": writer.take_seq(), "ts": NOON_MS, **fields} for _ in range(count)
    )
    writer.append(b"".join(frame(click_json(**event)) for event in events))


def count_of(warehouse: Warehouse, table: str = "clicks") -> int:
    """Of `click_changes` and `click_days`, of each scope, which all must have the same."""
    if table in {"click_changes", "click_days"}:
        counts = warehouse.query(f"SELECT sum(clicks) FROM {table} GROUP BY scope")
        assert len(set(counts)) <= 1, counts
        return int(counts[0][0]) if counts else 0
    counted = "count()" if table == "clicks" else "sum(clicks)"
    ((count,),) = warehouse.query(f"SELECT {counted} FROM {table}")
    return int(count)


def assert_stored_once(warehouse: Warehouse, count: int) -> None:
    tables = ("clicks", "click_changes", "click_days", "click_sources")
    assert {table: count_of(warehouse, table) for table in tables} == dict.fromkeys(tables, count)


class FailingWarehouse:
    """Fails the inserts of clicks that `failures` holds, before or after the real insert."""

    def __init__(self, warehouse: Warehouse, failures: Sequence[tuple[str, Exception]]) -> None:
        self._warehouse = warehouse
        self.failures = list(failures)
        self.tokens: list[str] = []

    def insert(self, table: str, columns: Mapping[str, Sequence[object]], *, token: str) -> None:
        when, failure = self.failures.pop(0) if table == "clicks" and self.failures else ("", None)
        if table == "clicks":
            self.tokens.append(token)
        if failure is not None and when == "before":
            raise failure
        self._warehouse.insert(table, columns, token=token)
        if failure is not None:
            raise failure

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)


class MeetingWarehouse:
    """Inserts clicks once `parties` inserts of some have begun, so many again and again."""

    def __init__(self, warehouse: Warehouse, parties: int) -> None:
        self._warehouse = warehouse
        self._meeting = threading.Barrier(parties, timeout=DEADLINE_S)
        self._lock = threading.Lock()
        self._at_once = 0
        self.most_at_once = 0
        self.tokens: list[str] = []

    def insert(self, table: str, columns: Mapping[str, Column], *, token: str) -> None:
        if table != "clicks":
            self._warehouse.insert(table, columns, token=token)
            return
        with self._lock:
            self.tokens.append(token)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        self._meeting.wait()
        self._warehouse.insert(table, columns, token=token)
        with self._lock:
            self._at_once -= 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)
