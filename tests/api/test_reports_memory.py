"""What reports keep in memory is never told for what is stored: each report is as one by a fresh process."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aggregator.contract import mark_dirty, refresh
from api.reports import memory, standing
from api.reports.query import Dimension, Scope, StatsQuery
from api.reports.stats import stats
from ingest.contract import Warehouse
from tests.fixtures.clicks import insert_clicks

NOW = datetime(2024, 3, 12, 7, 33, tzinfo=UTC)
START = NOW.replace(minute=30) - timedelta(days=3)
BY: tuple[Dimension, ...] = ("country", "city", "verdict")
HOT = Scope("acme", (1,))
SMALL = Scope("acme", (2,))
FIRST_CLICKS = 12_000
STEPS = 12


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rollups serve from fewer clicks on than they do outside of tests."""
    monkeypatch.setattr("api.reports.plan.EXACT_UP_TO_CLICKS", 5_000)
    monkeypatch.setattr("aggregator.rollups.returns.FROM_CLICKS", 5_000)


def ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


class World:
    """Stored clicks that change as they do in life."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.rng = random.Random(11)
        self.seqs = {1: 0, 2: 0}

    def store(self, count: int, begin: datetime, end: datetime) -> None:
        """Clicks of two spools, each in the order of its numbers."""
        clicks: list[dict[str, Any]] = []
        for _ in range(count):
            source = self.rng.choice([1, 2])
            self.seqs[source] += 1
            clicks.append(
                {
                    "link": self.rng.choices([1, 2], [9, 1])[0],
                    "ts": self.rng.randrange(ms(begin), ms(end)),
                    "source": source,
                    "seq": self.seqs[source],
                    "visitor": self.rng.randrange(4_000),
                    "verdict": self.rng.choices(["human", "preview"], [8, 1])[0],
                    "country": self.rng.choice("ABC"),
                    "city": str(self.rng.randrange(80)),
                }
            )
        for month in {click["ts"] // 10**10 for click in clicks}:
            chosen = [click for click in clicks if click["ts"] // 10**10 == month]
            insert_clicks(self.warehouse, chosen, f"{self.seqs} {month}")

    def store_new(self) -> None:
        self.store(50, NOW.replace(minute=30), NOW)

    def store_late(self) -> None:
        self.store(20, START, NOW)

    def delete(self) -> None:
        """As an erasure does: the rows first, then the mark."""
        number = self.rng.randrange(100)
        self.warehouse.command(f"DELETE FROM clicks WHERE tenant = 'acme' AND seq % 100 = {number}")
        mark_dirty(self.warehouse, "acme", None, ms(START) - 86_400_000, ms(NOW) + 1)

    def judge_again(self) -> None:
        self.warehouse.command(
            f"ALTER TABLE clicks UPDATE verdict = 'automated' WHERE seq % 50 = {self.rng.randrange(50)}"
            " SETTINGS mutations_sync = 1"
        )
        mark_dirty(self.warehouse, "acme", None, ms(START) - 86_400_000, ms(NOW) + 1)

    def roll_up(self) -> None:
        refresh(self.warehouse, NOW, everything=True)


def forget(warehouse: Warehouse) -> None:
    memory._memories.pop(warehouse, None)
    standing._standings.pop(warehouse, None)


def test_reports_are_those_of_a_fresh_process_whatever_changes(warehouse: Warehouse) -> None:
    world = World(warehouse)
    world.store(FIRST_CLICKS, START, NOW)
    world.roll_up()
    changes = [world.store_new, world.store_late, world.delete, world.judge_again, world.roll_up]
    for step in range(STEPS):
        changes[step % len(changes)]()
        end = NOW - timedelta(seconds=world.rng.randrange(120))
        for scope in (HOT, SMALL, Scope("acme")):
            query = StatsQuery(scope, START, end, "day", ZoneInfo("UTC"), BY, exclude_bots=step % 3 == 2)
            told = stats(warehouse, query)
            kept = memory._memories[warehouse], standing._standings[warehouse]
            forget(warehouse)
            assert told == stats(warehouse, query), (changes[step % len(changes)], scope)
            memory._memories[warehouse], standing._standings[warehouse] = kept
