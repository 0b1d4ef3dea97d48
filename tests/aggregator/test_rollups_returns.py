"""Counting who returned takes as long as it takes: nothing waits for it, and nothing of it is left behind."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aggregator.contract import refresh, run
from aggregator.rollups import returns
from edge.contract import Settings
from ingest.contract import Warehouse, WarehouseUnavailableError
from tests.fixtures.clicks import insert_clicks
from tests.fixtures.ports import free_port

WITHIN_S = 180
ENDLESS = """
INSERT INTO rollup_returns (subject) SELECT sleepEachRow(0.1) FROM system.numbers
SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0
"""


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who returned is counted from a few clicks on."""
    monkeypatch.setattr(returns, "FROM_CLICKS", 10)
    monkeypatch.setattr(returns, "DETAILED_FROM_CLICKS", 10)


def insert(warehouse: Warehouse, link: int, at: datetime) -> None:
    """Of this link, clicks of fifty visitors."""
    ts = round(at.timestamp() * 1000)
    clicks = [{"link": link, "ts": ts, "visitor": visitor, "seq": visitor} for visitor in range(50)]
    insert_clicks(warehouse, clicks, f"{link}: {ts}")


def is_counting(warehouse: Warehouse) -> bool:
    return warehouse.query(
        "SELECT count() FROM system.processes"
        " WHERE current_database = currentDatabase() AND Settings['log_comment'] = {job:String}",
        {"job": returns.JOB},
    ) == [(1,)]


def has_window(warehouse: Warehouse, link: int) -> bool:
    sql = "SELECT count() > 0 FROM rollup_windows WHERE scope = 'link' AND subject = {link:UInt64}"
    return warehouse.query(sql, {"link": link}) == [(True,)]


async def wait_until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - the engine tells nobody
            await asyncio.sleep(0.05)


async def test_windows_and_the_programs_end_do_not_wait_for_a_count(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returns, "_statement", lambda _scope: ENDLESS)
    monkeypatch.setattr("aggregator.runner.ROLL_UP_PERIOD_S", 0.1)
    insert(warehouse, 1, datetime.now(UTC) - timedelta(hours=24))
    stop = asyncio.Event()
    settings = Settings(data_dir=tmp_path, metrics_port=free_port() - 2, _env_file=None)
    running = asyncio.create_task(run(settings, warehouse, stop))
    await wait_until(lambda: is_counting(warehouse))
    insert(warehouse, 2, datetime.now(UTC) - timedelta(hours=30))
    await wait_until(lambda: has_window(warehouse, 2))
    assert is_counting(warehouse), "still"
    stop.set()
    await asyncio.wait_for(running, WITHIN_S)
    await wait_until(lambda: not is_counting(warehouse))


async def test_a_count_that_nobody_waits_for_is_cancelled_by_the_next(warehouse: Warehouse) -> None:
    def leave_behind() -> None:
        with pytest.raises(WarehouseUnavailableError):
            warehouse.run_job(returns.JOB, ENDLESS)

    # As of a program that died: on a server its statement goes on.
    leaving = asyncio.create_task(asyncio.to_thread(leave_behind))
    await wait_until(lambda: is_counting(warehouse))
    now = datetime.now(UTC)
    for days in (1, 2):
        insert(warehouse, 1, now - timedelta(days=days))
    await asyncio.to_thread(refresh, warehouse, now, everything=True)
    await leaving
    returned = warehouse.query(
        "SELECT returned[1][1] FROM rollup_returns FINAL WHERE scope = 'link' AND dimension = 'total'"
        " ORDER BY start DESC LIMIT 1"
    )
    assert returned == [(50,)], "all of them had been there the day before"
