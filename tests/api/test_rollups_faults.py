"""Reports stay exact while windows are computed: beside inserts, and after kill -9 in the middle."""

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from aggregator.contract import mark_dirty, migrate, refresh
from api.reports.query import Scope, StatsQuery
from api.reports.stats import stats
from ingest.contract import Warehouse, open_warehouse
from tests.fixtures.clicks import insert_clicks

NOW = datetime(2024, 3, 2, 11, 20, tzinfo=UTC)
BEGIN = NOW - timedelta(days=4)
FIRST_CLICKS = 30_000
KILLS = 5
DATABASE = "rollup_faults"

# Computes all windows over and over, and says when it begins to.
COMPUTE = f"""
import sys
from datetime import datetime
from pathlib import Path
from aggregator.contract import mark_dirty, refresh
from ingest.contract import open_warehouse

warehouse = open_warehouse(sys.argv[1], folder=Path("."), database="{DATABASE}")
now = datetime.fromisoformat(sys.argv[2])
print("begins", flush=True)
while True:
    refresh(warehouse, now, everything=True)
    mark_dirty(warehouse, "acme", None, 0, int(now.timestamp() * 1000))
"""


@pytest.fixture
def shared(clickhouse_url: str, tmp_path: Path) -> Iterator[Warehouse]:
    """A warehouse that another process can open too."""
    warehouse = open_warehouse(clickhouse_url, folder=tmp_path, database=DATABASE)
    migrate(warehouse)
    yield warehouse
    warehouse.command(f"DROP DATABASE `{DATABASE}` SYNC")
    warehouse.close()


def insert(warehouse: Warehouse, first: int, count: int) -> None:
    """Clicks of one tenant, each by a visitor of its own."""
    rng = random.Random(first)
    span_ms = round((NOW - BEGIN).total_seconds() * 1000)
    clicks = [
        {"ts": round(BEGIN.timestamp() * 1000) + rng.randrange(span_ms), "seq": seq, "visitor": seq}
        for seq in range(first, first + count)
    ]
    insert_clicks(warehouse, clicks, f"from {first}")


def counted(warehouse: Warehouse) -> tuple[int, int]:
    """The clicks of all, and those of the series."""
    report = stats(warehouse, StatsQuery(Scope("acme"), BEGIN, NOW, "day", ZoneInfo("UTC"), ("country",)))
    assert (
        sum(share["clicks"] for share in report["breakdowns"]["country"]) == report["totals"]["total_clicks"]
    )
    return report["totals"]["total_clicks"], sum(bucket["total_clicks"] for bucket in report["series"])


def test_killed_while_it_computes(shared: Warehouse, clickhouse_url: str) -> None:
    insert(shared, 0, FIRST_CLICKS)
    rng = random.Random(1)
    for _ in range(KILLS):
        command = [sys.executable, "-c", COMPUTE, clickhouse_url, NOW.isoformat()]
        root = Path(__file__).parents[2]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env=os.environ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                process.wait(timeout=rng.uniform(0.05, 2.5))
            except subprocess.TimeoutExpired:
                process.kill()
            else:
                pytest.fail("it ended by itself")
        assert counted(shared) == (FIRST_CLICKS, FIRST_CLICKS)
    refresh(shared, NOW, everything=True)
    assert counted(shared) == (FIRST_CLICKS, FIRST_CLICKS)


def test_inserts_while_windows_are_computed(warehouse: Warehouse) -> None:
    insert(warehouse, 0, FIRST_CLICKS)
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            refresh(warehouse, NOW, everything=True)
            mark_dirty(warehouse, "acme", None, 0, round(NOW.timestamp() * 1000))

    computing = threading.Thread(target=compute)
    computing.start()
    try:
        total = FIRST_CLICKS
        for _ in range(10):
            insert(warehouse, total, 200)
            total += 200
            assert counted(warehouse) == (total, total)
    finally:
        stop.set()
        computing.join()
    refresh(warehouse, NOW, everything=True)
    assert counted(warehouse) == (total, total)
