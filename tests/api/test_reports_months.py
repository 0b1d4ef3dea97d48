"""A month's uniques of many clicks: exact over whole days, within 1 % for every key where days are cut."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aggregator.contract import mark_dirty, refresh
from aggregator.rollups import returns
from api.reports.query import Dimension, Scope, StatsQuery
from api.reports.stats import stats
from ingest.contract import Warehouse
from tests.fixtures.clicks import insert_clicks

Click = dict[str, Any]
NOW = datetime(2024, 3, 12, 7, 33, tzinfo=UTC)
START = NOW.replace(minute=30) - timedelta(days=30)
FIRST = START - timedelta(days=6)
VISITORS = 40_000
WHOLE = Scope("acme")
HOT = Scope("acme", (1,))
BY: tuple[Dimension, ...] = ("country", "city", "verdict")


def ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rollups serve from fewer clicks on than they do outside of tests."""
    monkeypatch.setattr("api.reports.plan.EXACT_UP_TO_CLICKS", 20_000)
    monkeypatch.setattr("aggregator.rollups.returns.FROM_CLICKS", 20_000)


@pytest.fixture
def clicks(warehouse: Warehouse) -> list[Click]:
    """70,000 of five weeks. Visitors of the first cities click most, some are seen in other cities too."""
    rng = random.Random(3)
    made: list[Click] = []
    for seq in range(70_000):
        visitor = min(rng.randrange(VISITORS), rng.randrange(VISITORS))
        city = visitor * 16 // VISITORS if rng.random() < 0.95 else rng.randrange(16)
        made.append(
            {
                "link": 1 + (seq % 5 == 0),
                "ts": rng.randrange(ms(FIRST), ms(NOW)),
                "seq": seq,
                "visitor": visitor,
                "verdict": "human" if seq % 10 else "preview",
                "country": str(city // 4),
                "city": str(city),
            }
        )
    for month in (2, 3):
        chosen = [click for click in made if datetime.fromtimestamp(click["ts"] / 1000, UTC).month == month]
        insert_clicks(warehouse, chosen, str(month))
    return made


def visitors_of(clicks: list[Click], dimension: Dimension) -> dict[str, int]:
    found: dict[str, set[int]] = defaultdict(set)
    for click in clicks:
        found[click[dimension]].update([click["visitor"]] if click["verdict"] == "human" else [])
    return {key: len(visitors) for key, visitors in found.items()}


def errors(
    warehouse: Warehouse,
    clicks: list[Click],
    scope: Scope,
    begin: datetime,
    end: datetime,
    *,
    is_estimate: bool = True,
) -> list[float]:
    """How far the uniques of everything and of each key are off, as shares; clicks must be right."""
    chosen = [
        click
        for click in clicks
        if ms(begin) <= click["ts"] < ms(end) and (scope.links is None or click["link"] in scope.links)
    ]
    report = stats(warehouse, StatsQuery(scope, begin, end, "week", ZoneInfo("UTC"), BY))
    assert report["totals"]["total_clicks"] == len(chosen)
    human = {click["visitor"] for click in chosen if click["verdict"] == "human"}
    found = [abs(report["totals"]["unique_clicks"] / len(human) - 1)]
    for dimension in BY:
        expected = visitors_of(chosen, dimension)
        told = {share["key"]: share["unique"] for share in report["breakdowns"][dimension]}
        assert told.keys() == expected.keys()
        found += [
            abs(told[key] / count - 1) if count else float(told[key]) for key, count in expected.items()
        ]
    assert report["unique_is_estimate"] == is_estimate
    return sorted(found)


def test_keys_of_a_month_are_within_one_percent_and_of_whole_days_exact(
    warehouse: Warehouse, clicks: list[Click]
) -> None:
    refresh(warehouse, NOW, everything=True)
    midnight = NOW.replace(hour=0, minute=0)
    for scope in (WHOLE, HOT):
        found = errors(warehouse, clicks, scope, START, NOW)
        assert found[len(found) // 2] <= 0.003
        assert found[-1] <= 0.01
        for days in (14, 29):
            assert errors(warehouse, clicks, scope, midnight - timedelta(days=days), midnight)[-1] == 0


def test_a_changed_day_costs_little_until_who_returned_is_counted_again(
    warehouse: Warehouse, clicks: list[Click], monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(warehouse, NOW, everything=True)
    with monkeypatch.context() as patch:
        # Hours have windows too, those of the last days.
        patch.setattr(import_module("aggregator.rollups.refresh"), "DETAILED_FROM_CLICKS", 40)
        refresh(warehouse, NOW)
    sql = "SELECT * EXCEPT changes FROM rollup_returns FINAL ORDER BY ALL"
    before = warehouse.query(sql)
    assert before
    noon = datetime(2024, 3, 10, 12, tzinfo=UTC)
    mark_dirty(warehouse, "acme", None, ms(noon), ms(noon) + 1)
    assert errors(warehouse, clicks, WHOLE, START, NOW, is_estimate=False)[-1] == 0
    with monkeypatch.context() as patch:
        patch.setattr("api.reports.plan.ROWS_IN_NEED", 0)  # as if there were too many
        assert errors(warehouse, clicks, WHOLE, START, NOW)[-1] <= 0.01
    assert refresh(warehouse, NOW, everything=True) > 0
    assert returns.find_stale(warehouse, NOW) == []
    assert warehouse.query(sql) == before


def test_midnight_is_crossed_before_who_returned_is_counted(
    warehouse: Warehouse, clicks: list[Click], monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = NOW.replace(hour=0, minute=0)

    def check(now: datetime) -> None:
        for scope in (WHOLE, HOT):
            start = now.replace(minute=now.minute // 15 * 15, second=0) - timedelta(days=30)
            assert errors(warehouse, clicks, scope, start, now)[-1] <= 0.01

    def count_days() -> int:
        ((days,),) = warehouse.query("SELECT uniqExact(start) FROM rollup_returns")
        return int(days)

    refresh(warehouse, midnight - timedelta(minutes=10), everything=True)
    check(midnight - timedelta(minutes=10))
    check(midnight + timedelta(seconds=1))
    known = count_days()
    with monkeypatch.context() as patch:
        patch.setattr(returns, "MUCH_CHANGED", 1e6)  # the aggregator has not come to it yet
        refresh(warehouse, midnight + timedelta(minutes=1))
    assert count_days() == known
    check(midnight + timedelta(minutes=1))
    # The next round needs no full look.
    refresh(warehouse, midnight + timedelta(minutes=1))
    assert count_days() == known + 1
    check(midnight + timedelta(minutes=1))


def test_what_is_not_known_or_changed_much_is_counted_from_the_rows(
    warehouse: Warehouse, clicks: list[Click], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(returns, "FROM_CLICKS", 10**9)
        refresh(warehouse, NOW, everything=True)
    assert errors(warehouse, clicks, WHOLE, START, NOW, is_estimate=False)[-1] == 0
    refresh(warehouse, NOW, everything=True)
    assert 0 < errors(warehouse, clicks, WHOLE, START, NOW)[-1] <= 0.01
    day = datetime(2024, 3, 1, tzinfo=UTC)
    late = [
        {**click, "ts": ms(day) + click["ts"] % 86_400_000, "seq": click["seq"] + 10**6}
        for click in clicks[::35]
    ]
    insert_clicks(warehouse, late, "late")
    assert errors(warehouse, clicks + late, WHOLE, START, NOW, is_estimate=False)[-1] == 0
    while refresh(warehouse, NOW, everything=True):
        pass
    assert 0 < errors(warehouse, clicks + late, WHOLE, START, NOW)[-1] <= 0.01
