"""Reports from rollups equal what a plain loop counts: clicks exactly, uniques within bounds."""

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aggregator.contract import mark_dirty, refresh
from api.reports.buckets import Interval
from api.reports.plan import make_plan
from api.reports.query import Dimension, Scope, StatsQuery
from api.reports.stats import stats
from ingest.contract import Warehouse
from tests.fixtures.clicks import insert_clicks

Click = dict[str, Any]
BY: tuple[Dimension, ...] = ("country", "city", "verdict")
NOW = datetime(2024, 3, 2, 11, 20, tzinfo=UTC)  # 29 February lies in the range
START = datetime(2024, 2, 27, tzinfo=UTC)
# Clocks in New York went forward on 10 March, in Berlin on 31 March: those nights are in the other range.
DST_NOW = datetime(2024, 3, 12, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rollups serve from fewer clicks on than they do outside of tests."""
    monkeypatch.setattr("api.reports.plan.EXACT_UP_TO_CLICKS", 20_000)
    monkeypatch.setattr("api.reports.plan.ROWS_IN_NEED", 0)


def ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def random_time(rng: random.Random, now: datetime) -> int:
    """Mostly in two hours of a day, so that some windows of each grain are worth having."""
    at = rng.randrange(ms(now - timedelta(days=5)), ms(now))
    rushed = at // 86_400_000 * 86_400_000 + (17 * 3600 + rng.randrange(7200)) * 1000
    return rushed if rng.random() < 0.7 and rushed < ms(now) else at


def random_clicks(rng: random.Random, count: int, now: datetime, first_seq: int = 0) -> list[Click]:
    """Clicks of a hot link, of a small one, and of another tenant."""
    return [
        {
            "tenant": rng.choices(["acme", "other"], [30, 1])[0],
            "link": rng.choices([1, 2], [30, 1])[0],
            "domain": "s.example.com",
            "ts": random_time(rng, now),
            "seq": first_seq + number,
            "visitor": rng.randrange(count // 2),
            "verdict": rng.choices(["human", "preview", "automated"], [8, 1, 1])[0],
            "country": rng.choice("ABCDEFGH"),
            "city": str(rng.randrange(400)),
        }
        for number in range(count)
    ]


def assert_reports_fit(
    warehouse: Warehouse,
    clicks: list[Click],
    scope: Scope,
    begin: datetime,
    end: datetime,
    interval: Interval,
    zone: ZoneInfo,
    *,
    human_only: bool = False,
) -> dict[str, Any]:
    """Clicks are exact; uniques within 2 % of all, 5 % of a bucket, 25 % of keys as small as these cities."""
    chosen = [
        click
        for click in clicks
        if click["tenant"] == scope.tenant
        and (scope.links is None or click["link"] in scope.links)
        and ms(begin) <= click["ts"] < ms(end)
        and (click["verdict"] == "human" or not human_only)
    ]
    report = stats(warehouse, StatsQuery(scope, begin, end, interval, zone, BY, human_only))
    assert_fits(report["totals"], chosen, 0.02)
    starts = [ms(datetime.fromisoformat(bucket["start"])) for bucket in report["series"]]
    for bucket, low, high in zip(report["series"], starts, [*starts[1:], ms(end)], strict=True):
        assert_fits(bucket, [click for click in chosen if low <= click["ts"] < high], 0.05)
    for dimension in BY:
        groups: dict[str, list[Click]] = defaultdict(list)
        for click in chosen:
            groups[click[dimension]].append(click)
        shares = report["breakdowns"][dimension]
        assert {share["key"]: share["clicks"] for share in shares} == {
            key: len(group) for key, group in groups.items()
        }
        for share in shares:
            tolerance = 0.25 if dimension == "city" else 0.05
            assert share["unique"] == pytest.approx(unique(groups[share["key"]]), rel=tolerance, abs=2)
    return report


def assert_fits(counts: dict[str, int], clicks: list[Click], tolerance: float) -> None:
    verdicts = [click["verdict"] for click in clicks]
    assert counts["total_clicks"] == len(clicks)
    assert counts["human_clicks"] == verdicts.count("human")
    assert counts["preview_clicks"] == verdicts.count("preview")
    assert counts["automated_clicks"] == verdicts.count("automated")
    assert counts["unique_clicks"] == pytest.approx(unique(clicks), rel=tolerance, abs=2)
    assert counts["repeat_clicks"] == counts["human_clicks"] - counts["unique_clicks"]


def unique(clicks: list[Click]) -> int:
    return len({click["visitor"] for click in clicks if click["verdict"] == "human"})


def uses_rollups(warehouse: Warehouse, scope: Scope) -> bool:
    span = (ms(START), ms(NOW))
    return bool(make_plan(warehouse, scope, span, [span[0]], one_bucket_a_window=True).totals.pieces)


HOT = Scope("acme", (1,))
WHOLE = Scope("acme")
RANGES: list[tuple[Scope, timedelta, Interval, str, bool]] = [
    (HOT, timedelta(0), "day", "UTC", False),
    (HOT, timedelta(minutes=7, milliseconds=3), "hour", "Asia/Kathmandu", False),
    (HOT, timedelta(minutes=45), "day", "Asia/Kolkata", True),
    (WHOLE, timedelta(minutes=1), "day", "America/New_York", False),
    (Scope("acme", (1, 2)), timedelta(0), "week", "Europe/Berlin", False),
    (Scope("acme", None, "s.example.com"), timedelta(hours=5), "month", "Pacific/Chatham", False),
]


@pytest.mark.parametrize("now", [NOW, DST_NOW])
def test_reports_from_rollups_equal_naive_counting(warehouse: Warehouse, now: datetime) -> None:
    rng = random.Random(now.day)
    clicks = random_clicks(rng, 40_000, now)
    insert_clicks(warehouse, clicks, "a")
    assert refresh(warehouse, now, everything=True) > 0
    for scope, back, interval, zone, human_only in RANGES:
        end = now - back
        begin = end - timedelta(days=4)
        assert_reports_fit(
            warehouse, clicks, scope, begin, end, interval, ZoneInfo(zone), human_only=human_only
        )


def test_what_changes_later_is_in_the_next_report(warehouse: Warehouse) -> None:
    rng = random.Random(5)
    clicks = random_clicks(rng, 50_000, NOW)
    insert_clicks(warehouse, clicks, "a")
    refresh(warehouse, NOW, everything=True)
    assert uses_rollups(warehouse, HOT)

    def check() -> dict[str, Any]:
        return assert_reports_fit(warehouse, clicks, HOT, START, NOW, "day", ZoneInfo("UTC"))

    assert check()["unique_is_estimate"]
    late = [
        {**click, "ts": ms(NOW - timedelta(hours=48)) + n}
        for n, click in enumerate(random_clicks(rng, 50, NOW, 90_000))
    ]
    insert_clicks(warehouse, late, "late")
    clicks += late
    check()
    assert refresh(warehouse, NOW) > 0
    check()
    gone = {click["visitor"] for click in clicks[:200]}
    visitors = ",".join(map(str, gone))
    warehouse.command(f"DELETE FROM clicks WHERE tenant = 'acme' AND link = 1 AND visitor IN ({visitors})")
    clicks = [
        click
        for click in clicks
        if click["tenant"] != "acme" or click["link"] != 1 or click["visitor"] not in gone
    ]
    mark_dirty(warehouse, "acme", 1, ms(START) - 86_400_000, ms(NOW))
    check()
    refresh(warehouse, NOW, everything=True)
    assert uses_rollups(warehouse, HOT)
    check()
    assert refresh(warehouse, NOW, everything=True) == 0


COLUMNS = "* EXCEPT changes"


def contents(warehouse: Warehouse) -> list[Any]:
    return [
        warehouse.query(f"SELECT {COLUMNS} FROM {table} FINAL ORDER BY ALL")
        for table in ("rollup_windows", "rollup_keys")
    ]


def test_a_window_computed_again_has_the_same_bytes(warehouse: Warehouse) -> None:
    insert_clicks(warehouse, random_clicks(random.Random(6), 10_000, NOW), "a")
    refresh(warehouse, NOW, everything=True)
    before = contents(warehouse)
    mark_dirty(warehouse, "acme", None, 0, ms(NOW))
    assert refresh(warehouse, NOW, everything=True) > 0
    assert contents(warehouse) == before


def test_the_open_quarter_is_read_from_the_rows(warehouse: Warehouse) -> None:
    clicks = random_clicks(random.Random(7), 30_000, NOW)
    insert_clicks(warehouse, clicks, "a")
    refresh(warehouse, NOW, everything=True)
    new = [{**clicks[0], "tenant": "acme", "link": 1, "ts": ms(NOW) - 1, "seq": 99_999, "verdict": "human"}]
    insert_clicks(warehouse, new, "b")
    assert_reports_fit(warehouse, clicks + new, HOT, START, NOW, "hour", ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize("opened", ["open_chdb", "open_clickhouse"])
def test_both_engines_roll_up_alike(
    opened: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aggregator.contract import migrate

    monkeypatch.setattr("aggregator.rollups.returns.FROM_CLICKS", 20_000)
    open_warehouse: Callable[[], Warehouse] = request.getfixturevalue(opened)
    warehouse = open_warehouse()
    migrate(warehouse)
    clicks = random_clicks(random.Random(8), 30_000, NOW)
    insert_clicks(warehouse, clicks, "a")
    refresh(warehouse, NOW, everything=True)
    assert warehouse.query("SELECT count() > 0 FROM rollup_returns") == [(True,)]
    assert_reports_fit(warehouse, clicks, WHOLE, START, NOW, "day", ZoneInfo("UTC"))
    warehouse.close()
