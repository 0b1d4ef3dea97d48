"""The runner over a real spool and a real warehouse: stored once, and what happens when it can't be."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from aggregator.contract import migrate
from edge.contract import SpoolWriter, frame, load
from ingest.contract import CLICK_COLUMNS, Warehouse, WarehouseError, WarehouseUnavailableError, run
from ingest.dead_letters import DeadLetters
from ingest.enrich.steps import open_enrichment
from ingest.metrics import IngestMetrics
from ingest.runner import Runner
from ingest.sources import open_source
from ingest.sources.source import PartitionLostError, Range
from tests.fixtures.system import free_ports
from tests.ingest.click_events import IPHONE, NOON_MS, click_json

OCTOBER_MS = 1_790_812_800_000
DEADLINE_S = 20.0


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
    """The runner at work; stopped at the end, within 2 s. What it raised is the test's to look at."""
    task = asyncio.create_task(ingest.runner.serve(ingest.stop))
    try:
        yield task
    finally:
        ingest.stop.set()
        await asyncio.wait([task], timeout=2)
        assert task.done()
        await ingest.source.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not what():  # noqa: ASYNC110 - what is waited for happens in files and in an engine
            await asyncio.sleep(0.01)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SpoolWriter]:
    made = SpoolWriter(tmp_path / "spool" / "clicks")
    yield made
    made.close()


def spool(writer: SpoolWriter, count: int = 1, **fields: Any) -> None:
    events = (
        {"source": writer.source, "seq": writer.take_seq(), "ts": NOON_MS, **fields} for _ in range(count)
    )
    writer.append(b"".join(frame(click_json(**event)) for event in events))


def count_of(warehouse: Warehouse, table: str = "clicks") -> int:
    """Of `click_changes`, of each scope, which all must have the same."""
    if table == "click_changes":
        counts = warehouse.query("SELECT sum(clicks) FROM click_changes GROUP BY scope")
        assert len(set(counts)) <= 1, counts
        return int(counts[0][0]) if counts else 0
    counted = "count()" if table == "clicks" else "sum(clicks)"
    ((count,),) = warehouse.query(f"SELECT {counted} FROM {table}")
    return int(count)


def assert_stored_once(warehouse: Warehouse, count: int) -> None:
    assert {table: count_of(warehouse, table) for table in ("clicks", "click_changes", "click_sources")} == {
        "clicks": count,
        "click_changes": count,
        "click_sources": count,
    }


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


def test_the_columns_are_the_table_s(warehouse: Warehouse) -> None:
    assert tuple(row[0] for row in warehouse.query("DESCRIBE TABLE clicks")) == CLICK_COLUMNS


async def test_clicks_of_several_sources_and_months_are_stored_once(
    tmp_path: Path, warehouse: Warehouse, writer: SpoolWriter
) -> None:
    other = SpoolWriter(tmp_path / "spool" / "clicks")
    spool(other, 2_500)
    other.close()
    spool(writer, 30, ts=OCTOBER_MS - 1)
    spool(writer, 20, ts=OCTOBER_MS)
    ingest = Ingest(tmp_path, warehouse)
    async with serving(ingest):
        await until(lambda: ingest.sample("stored_total") == 2_550)
        spool(writer, 7)
        await until(lambda: ingest.sample("stored_total") == 2_557)
        await until(lambda: ingest.sample("lag_bytes") == 0)
        assert ingest.runner.trouble is None
    assert_stored_once(warehouse, 2_557)
    assert sorted(
        warehouse.query("SELECT source, sum(clicks), max(last_seq) FROM click_sources GROUP BY 1")
    ) == [
        (writer.source, 57, 57),
        (other.source, 2_500, 2_500),
    ]
    by_month = "SELECT toYYYYMM(ts), count() FROM clicks WHERE source = {s:UInt64} GROUP BY 1 ORDER BY 1"
    assert warehouse.query(by_month, {"s": writer.source}) == [(202609, 37), (202610, 20)]
    assert ingest.sample("consumed_total") == 2_557
    assert ingest.sample("batch_clicks_count") == 3 + 2 + 1
    assert ingest.sample("click_to_stored_seconds_count") == 2_557
    assert ingest.sample("click_to_stored_seconds_bucket", le="+Inf") == 2_557
    assert ingest.sample("cache_hits_total", cache="user_agent") == 2_556
    assert ingest.sample("step_seconds_total", step="verdict") > 0


async def test_what_is_no_click_is_kept_and_counted_and_holds_nothing_up(
    tmp_path: Path, warehouse: Warehouse, writer: SpoolWriter
) -> None:
    spool(writer)
    writer.append(frame(b"{}") + b"00000000 damaged\n" + frame(b"\xff") + frame(click_json(method="PUT")))
    spool(writer)
    ingest = Ingest(tmp_path, warehouse)
    async with serving(ingest):
        await until(lambda: ingest.sample("stored_total") == 2)
        writer.append(frame(b"[]"))
        await until(lambda: ingest.sample("dead_letters_total", reason="not_an_object") == 1)
        await until(lambda: ingest.sample("lag_bytes") == 0)
    assert_stored_once(warehouse, 2)
    assert ingest.sample("damaged_records_total") == 1
    for reason in ("unknown_version", "not_json", "wrong_value"):
        assert ingest.sample("dead_letters_total", reason=reason) == 1
    letters = warehouse.query(
        "SELECT partition, source, seq, reason, hex(value), detail != '' FROM dead_letters ORDER BY position"
    )
    partition = str(writer.source)
    assert letters == [
        (partition, writer.source, 0, "unknown_version", b"{}".hex().upper(), 1),
        (partition, writer.source, 0, "not_json", "FF", 1),
        (partition, writer.source, 0, "wrong_value", click_json(method="PUT").hex().upper(), 1),
        (partition, writer.source, 0, "not_an_object", b"[]".hex().upper(), 1),
    ]
    assert warehouse.query("SELECT partition, reason, records FROM passed_over_records") == [
        (partition, "damaged", 1)
    ]


async def test_user_agents_that_nobody_knows_are_counted(
    tmp_path: Path, warehouse: Warehouse, writer: SpoolWriter
) -> None:
    for ua in (IPHONE, "Qwzx/1.0", "Qwzx/1.0", "Mozilla/5.0 (Qwzx)"):
        spool(writer, ua=ua)
    ingest = Ingest(tmp_path, warehouse)
    async with serving(ingest):
        await until(lambda: ingest.sample("stored_total") == 4)
    assert ingest.sample("unknown_user_agents_total", by="browser") == 3
    assert ingest.sample("unknown_user_agents_total", by="rule") == 2


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_unavailable_warehouse_is_tried_again_with_the_same_token(
    tmp_path: Path, warehouse: Warehouse, writer: SpoolWriter, when: str
) -> None:
    spool(writer, 5)
    failing = FailingWarehouse(warehouse, [(when, WarehouseUnavailableError("no answer"))] * 2)
    ingest = Ingest(tmp_path, failing)
    async with serving(ingest):
        await until(lambda: ingest.runner.trouble == "warehouse: no answer")
        await until(lambda: ingest.sample("stored_total") == 5)
        await until(lambda: ingest.runner.trouble is None)
    assert_stored_once(warehouse, 5)
    assert len(failing.tokens) == 3
    assert len(set(failing.tokens)) == 1
    assert ingest.sample("retries_total") == 2


async def test_it_stops_at_once_while_it_waits_and_the_successor_stores_the_plan(
    tmp_path: Path, warehouse: Warehouse, writer: SpoolWriter
) -> None:
    spool(writer, 5)
    failing = FailingWarehouse(warehouse, [("after", WarehouseUnavailableError("no answer"))] * 100)
    ingest = Ingest(tmp_path, failing)
    async with serving(ingest) as task:
        await until(lambda: ingest.sample("retries_total") >= 2)
    assert task.exception() is None
    spool(writer, 4)
    successor = Ingest(tmp_path, warehouse)
    async with serving(successor):
        await until(lambda: successor.sample("stored_total") == 9)
    assert_stored_once(warehouse, 9)


async def test_a_refused_batch_stops_it_loudly_and_stays_for_the_successor(
    tmp_path: Path, warehouse: Warehouse, writer: SpoolWriter
) -> None:
    spool(writer, 5)
    ingest = Ingest(tmp_path, FailingWarehouse(warehouse, [("before", WarehouseError("refused"))]))
    async with serving(ingest) as task:
        await until(task.done)
    with pytest.raises(WarehouseError, match="refused"):
        task.result()
    successor = Ingest(tmp_path, warehouse)
    async with serving(successor):
        await until(lambda: successor.sample("stored_total") == 5)
    assert_stored_once(warehouse, 5)


async def test_a_lost_partition_is_dropped_and_others_go_on(
    tmp_path: Path, warehouse: Warehouse, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = SpoolWriter(tmp_path / "spool" / "clicks")
    spool(lost, 5)
    spool(writer, 3)
    ingest = Ingest(tmp_path, warehouse)
    plan = ingest.source.plan

    async def plan_unless_lost(batch: Range) -> None:
        if batch.partition == str(lost.source):
            raise PartitionLostError("taken")
        await plan(batch)

    monkeypatch.setattr(ingest.source, "plan", plan_unless_lost)
    async with serving(ingest) as task:
        await until(lambda: ingest.sample("stored_total") == 3 and ingest.sample("consumed_total") == 8)
        assert not task.done()
    assert_stored_once(warehouse, 3)
    lost.close()


async def test_a_click_is_stored_within_a_second(
    tmp_path: Path, warehouse: Warehouse, writer: SpoolWriter
) -> None:
    ingest = Ingest(tmp_path, warehouse)
    async with serving(ingest):
        await until(lambda: ingest.runner.trouble is None)
        for count in range(1, 6):
            spool(writer, ts=time.time_ns() // 1_000_000)
            await until(lambda expected=count: ingest.sample("stored_total") == expected)  # type: ignore[misc]
    assert ingest.sample("click_to_stored_seconds_bucket", le="1.0") == 5
    assert ingest.sample("insert_seconds_count") == 5


async def test_the_program_says_why_it_is_not_ready_and_serves_its_metrics(
    tmp_path: Path, empty_warehouse: Warehouse, writer: SpoolWriter
) -> None:
    (port,) = free_ports(1)
    settings = load(data_dir=tmp_path, metrics_port=port - 1, api_host="127.0.0.1")
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, empty_warehouse, stop))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http, asyncio.timeout(DEADLINE_S):
        answer = await _get(http, "/readyz", lambda answer: "no table clicks" in answer.text)
        assert answer.status_code == 503
        await asyncio.to_thread(migrate, empty_warehouse)
        spool(writer, 3)
        await _get(http, "/readyz", lambda answer: answer.status_code == 200)
        await _get(http, "/metrics", lambda answer: "smartlinks_ingest_stored_total 3.0" in answer.text)
        assert (await http.get("/livez")).status_code == 200
    stop.set()
    async with asyncio.timeout(2):
        await running
    assert_stored_once(empty_warehouse, 3)


async def _get(
    http: httpx.AsyncClient, path: str, expected: Callable[[httpx.Response], bool]
) -> httpx.Response:
    """The first answer that is as expected."""
    while True:
        try:
            answer = await http.get(path)
        except httpx.ConnectError:
            answer = None
        if answer is not None and expected(answer):
            return answer
        await asyncio.sleep(0.01)
