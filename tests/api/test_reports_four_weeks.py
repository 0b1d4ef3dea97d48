"""A month's report reads one window in place of 28 days; uniques of many visitors are within 1 % by it."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aggregator.contract import FOUR_WEEKS_S, mark_dirty, refresh
from api.reports.plan import make_plan
from api.reports.query import Dimension, Scope, StatsQuery
from api.reports.stats import stats
from ingest.contract import Warehouse
from tests.fixtures.clicks import insert_clicks

Click = dict[str, Any]
NOW = datetime(2024, 3, 12, 7, 33, tzinfo=UTC)
START = NOW - timedelta(days=30)
VISITORS = 40_000
WHOLE = Scope("acme")
BY: tuple[Dimension, ...] = ("country", "city")


def ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rollups serve from fewer clicks on than they do outside of tests."""
    monkeypatch.setattr("api.reports.plan.EXACT_UP_TO_CLICKS", 20_000)
    monkeypatch.setattr("aggregator.rollups.four_weeks.EXACT_UP_TO_CLICKS", 20_000)


@pytest.fixture(params=["by rows", "by days"])
def clicks(
    request: pytest.FixtureRequest, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> list[Click]:
    """60,000 of a month, by visitors who stay where they are; those of the first cities click most."""
    if request.param == "by days":
        monkeypatch.setattr("aggregator.rollups.four_weeks.FOUR_WEEKS_OF_ROWS", 0)
        monkeypatch.setattr("aggregator.rollups.compute.DEEP_FROM_CLICKS", 1_000)
    rng = random.Random(3)
    made: list[Click] = []
    for seq in range(60_000):
        visitor = min(rng.randrange(VISITORS), rng.randrange(VISITORS))
        city = visitor * 40 // VISITORS
        made.append(
            {
                "ts": rng.randrange(ms(START), ms(NOW)),
                "seq": seq,
                "visitor": visitor,
                "verdict": "human" if seq % 10 else "preview",
                "country": str(city // 8),
                "city": str(city),
            }
        )
    insert_clicks(
        warehouse, [click for click in made if click["ts"] < ms(NOW.replace(day=1))], "before March"
    )
    insert_clicks(warehouse, [click for click in made if click["ts"] >= ms(NOW.replace(day=1))], "March")
    return made


def grains(warehouse: Warehouse) -> set[int]:
    span = ms(START), ms(NOW)
    plan = make_plan(warehouse, WHOLE, span, [span[0]], one_bucket_a_window=True)
    return {piece.grain_s for piece in plan.totals.pieces}


def test_uniques_of_a_month_are_close(warehouse: Warehouse, clicks: list[Click]) -> None:
    refresh(warehouse, NOW, everything=True)
    assert FOUR_WEEKS_S in grains(warehouse)
    report = stats(warehouse, StatsQuery(WHOLE, START, NOW, "day", ZoneInfo("UTC"), BY))
    human = [click for click in clicks if click["verdict"] == "human"]
    assert report["unique_is_estimate"]
    assert report["totals"]["total_clicks"] == len(clicks)
    assert report["totals"]["preview_clicks"] == len(clicks) - len(human)
    assert report["totals"]["unique_clicks"] == pytest.approx(
        len({click["visitor"] for click in human}), rel=0.01
    )
    for dimension, tolerance in (("country", 0.01), ("city", 0.05)):
        for share in report["breakdowns"][dimension]:
            chosen = [click for click in clicks if click[dimension] == share["key"]]
            visitors = {click["visitor"] for click in chosen if click["verdict"] == "human"}
            assert share["clicks"] == len(chosen)
            assert share["unique"] == pytest.approx(len(visitors), rel=tolerance, abs=2)


def test_a_changed_day_is_read_by_itself_until_the_month_is_made_again(
    warehouse: Warehouse, clicks: list[Click]
) -> None:
    refresh(warehouse, NOW, everything=True)
    noon = datetime(2024, 3, 1, 12, tzinfo=UTC)
    mark_dirty(warehouse, "acme", None, ms(noon), ms(noon) + 1)
    assert FOUR_WEEKS_S not in grains(warehouse)
    report = stats(warehouse, StatsQuery(WHOLE, START, NOW, "day", ZoneInfo("UTC"), BY))
    assert report["totals"]["total_clicks"] == len(clicks)
    kept = "* EXCEPT changes"
    sql = f"SELECT {kept} FROM rollup_keys FINAL WHERE grain = {FOUR_WEEKS_S} ORDER BY ALL"
    before = warehouse.query(sql)
    refresh(warehouse, NOW, everything=True)
    assert FOUR_WEEKS_S in grains(warehouse)
    assert warehouse.query(sql) == before
