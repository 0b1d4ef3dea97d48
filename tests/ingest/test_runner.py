"""The runner over a real spool and a real warehouse: stored once, and what happens when it can't be."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.contract import SpoolWriter, frame
from ingest.contract import CLICK_COLUMNS, Warehouse, WarehouseError, WarehouseUnavailableError
from ingest.runner import BATCHES_IN_HAND
from ingest.sources.source import PartitionLostError, Range
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN, stopwatch
from tests.ingest.click_events import IPHONE, click_json
from tests.ingest.runner_bed import (
    FailingWarehouse,
    Ingest,
    MeetingWarehouse,
    assert_stored_once,
    serving,
    spool,
    until,
)

pytestmark = RUN_AGAIN_IF_BROKEN

OCTOBER_MS = 1_790_812_800_000


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SpoolWriter]:
    made = SpoolWriter(tmp_path / "spool" / "clicks")
    yield made
    made.close()


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


async def test_batches_of_several_sources_are_inserted_side_by_side_and_no_more_than_are_bounded(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    for _ in range(2 * BATCHES_IN_HAND):
        writer = SpoolWriter(tmp_path / "spool" / "clicks")
        spool(writer, 5)
        writer.close()
    meeting = MeetingWarehouse(warehouse, BATCHES_IN_HAND)
    ingest = Ingest(tmp_path, meeting)
    async with serving(ingest):
        await until(lambda: ingest.sample("stored_total") == 2 * BATCHES_IN_HAND * 5)
    assert meeting.most_at_once == BATCHES_IN_HAND
    assert_stored_once(warehouse, 2 * BATCHES_IN_HAND * 5)


async def test_batches_of_one_source_are_inserted_one_after_the_other(
    tmp_path: Path, warehouse: Warehouse, writer: SpoolWriter
) -> None:
    spool(writer, 2_500)
    meeting = MeetingWarehouse(warehouse, 1)
    ingest = Ingest(tmp_path, meeting, max_rows=300)
    async with serving(ingest):
        await until(lambda: ingest.sample("stored_total") == 2_500)
    assert meeting.most_at_once == 1
    starts = [int(token.partition(":")[2].partition("-")[0]) for token in meeting.tokens]
    assert len(starts) >= 9
    assert starts == sorted(starts)
    assert_stored_once(warehouse, 2_500)


async def test_a_click_is_stored_within_a_second(
    tmp_path: Path, warehouse: Warehouse, writer: SpoolWriter
) -> None:
    ingest = Ingest(tmp_path, warehouse)
    async with serving(ingest):
        await until(lambda: ingest.runner.trouble is None)
        for count in range(1, 6):
            begun = stopwatch.start()
            spool(writer, ts=time.time_ns() // 1_000_000)
            await until(lambda expected=count: ingest.sample("stored_total") == expected)  # type: ignore[misc]
            stopwatch.check(begun, 1)
    assert ingest.sample("click_to_stored_seconds_count") == 5
    assert ingest.sample("insert_seconds_count") == 5
