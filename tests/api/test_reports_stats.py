"""Reports equal what a plain loop over the same clicks counts."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from api.reports.buckets import EmptyRangeError, Interval, InvertedRangeError
from api.reports.query import Dimension, Scope, StatsQuery
from api.reports.stats import stats
from ingest.contract import Warehouse
from tests.fixtures.clicks import insert_clicks

DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
Click = dict[str, Any]


def unix_ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def random_clicks(rng: random.Random, begin: datetime, end: datetime, count: int) -> list[Click]:
    """Clicks with few distinct values, so that keys and visitors meet; some at the range's very edges."""
    edges = [unix_ms(begin), unix_ms(end) - 1, unix_ms(end), unix_ms(begin) - 1]
    return [
        {
            "tenant": rng.choices(["acme", "other"], [9, 1])[0],
            "link": rng.choices([1, 2], [3, 1])[0],
            "ts": edges[number] if number < 4 else rng.randrange(unix_ms(begin), unix_ms(end)),
            "seq": number,
            "visitor": rng.choice([0, 2**64 - 1, *range(1, 40)]),
            "verdict": rng.choices(["human", "preview", "automated"], [6, 2, 1])[0],
            **{name: rng.choice(["", "A", "B'", "ç\\"]) for name in DIMENSIONS if name != "verdict"},
        }
        for number in range(count)
    ]


def count(clicks: Iterable[Click]) -> dict[str, int]:
    chosen = list(clicks)
    verdicts = [click["verdict"] for click in chosen]
    human = verdicts.count("human")
    unique = len({click["visitor"] for click in chosen if click["verdict"] == "human"})
    return {
        "total_clicks": len(chosen),
        "human_clicks": human,
        "unique_clicks": unique,
        "repeat_clicks": human - unique,
        "bot_clicks": len(chosen) - human,
        "preview_clicks": verdicts.count("preview"),
        "automated_clicks": verdicts.count("automated"),
    }


def wall_clock(interval: Interval, zone: ZoneInfo) -> Callable[[Click], tuple[object, ...]]:
    """What the clock on the wall says, to the interval: two clicks share a bucket where it says the same."""

    def read(click: Click) -> tuple[object, ...]:
        local = datetime.fromtimestamp(click["ts"] / 1000, zone)
        if interval == "hour":
            return local.date(), local.hour, local.utcoffset()
        if interval == "day":
            return (local.date(),)
        return local.isocalendar()[:2] if interval == "week" else (local.year, local.month)

    return read


def expected_breakdown(clicks: list[Click], dimension: str) -> list[dict[str, object]]:
    groups: dict[str, list[Click]] = defaultdict(list)
    for click in clicks:
        groups[click[dimension]].append(click)
    rows = [
        {"key": key, "clicks": len(group), "unique": count(group)["unique_clicks"]}
        for key, group in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row["clicks"], row["key"]))


CASES = [
    ("2025-03-29T00:00", "2025-04-01T00:00", "hour", "Europe/Berlin"),
    ("2025-10-25T10:30", "2025-10-27T00:00", "hour", "Europe/Berlin"),
    ("2025-10-20T00:00", "2025-11-10T00:00", "day", "America/New_York"),
    ("2025-03-28T00:00", "2025-04-02T00:00", "day", "Asia/Beirut"),
    ("2024-02-27T18:00", "2024-03-02T06:00", "day", "Asia/Kolkata"),
    ("2024-02-28T00:00", "2024-03-01T00:00", "hour", "Asia/Kathmandu"),
    ("2024-12-20T00:00", "2025-01-20T00:00", "week", "Pacific/Chatham"),
    ("2023-11-15T00:00", "2024-04-03T00:00", "month", "UTC"),
]


@pytest.mark.parametrize("exclude_bots", [False, True])
@pytest.mark.parametrize(("first", "last", "interval", "zone_name"), CASES)
def test_reports_equal_naive_counting(
    warehouse: Warehouse, *, first: str, last: str, interval: Interval, zone_name: str, exclude_bots: bool
) -> None:
    zone = ZoneInfo(zone_name)
    begin, end = (datetime.fromisoformat(text).replace(tzinfo=zone) for text in (first, last))
    clicks = random_clicks(random.Random(first + zone_name), begin, end, 3000)
    insert_clicks(warehouse, clicks, "a")
    for link in (1, None):
        query = StatsQuery(
            Scope("acme", (link,) if link else None), begin, end, interval, zone, DIMENSIONS, exclude_bots
        )
        chosen = [
            click
            for click in clicks
            if click["tenant"] == "acme"
            and link in {None, click["link"]}
            and unix_ms(begin) <= click["ts"] < unix_ms(end)
            and (click["verdict"] == "human" or not exclude_bots)
        ]
        report = stats(warehouse, query)
        assert report["totals"] == count(chosen)
        assert report["breakdowns"] == {name: expected_breakdown(chosen, name) for name in DIMENSIONS}
        read = wall_clock(interval, zone)
        groups: dict[tuple[object, ...], list[Click]] = defaultdict(list)
        for click in chosen:
            groups[read(click)].append(click)
        for bucket in report["series"]:
            started = {"ts": unix_ms(datetime.fromisoformat(bucket.pop("start")))}
            assert bucket == count(groups.pop(read(started), []))
        assert groups == {}


def test_an_empty_report_has_every_bucket(warehouse: Warehouse) -> None:
    begin = datetime(2025, 1, 1, tzinfo=UTC)
    query = StatsQuery(
        Scope("acme", (1,)), begin, begin + timedelta(days=3), "day", ZoneInfo("UTC"), ("country",)
    )
    nothing = count([])
    assert stats(warehouse, query) == {
        "totals": nothing,
        "series": [{"start": f"2025-01-0{day}T00:00:00+00:00", **nothing} for day in (1, 2, 3)],
        "breakdowns": {"country": []},
        "unique_is_estimate": False,
        "notes": [],
    }


def test_a_year_of_hours(warehouse: Warehouse) -> None:
    begin, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    insert_clicks(warehouse, [{"ts": unix_ms(datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC))}], "a")
    report = stats(warehouse, StatsQuery(Scope("acme", (1,)), begin, end, "hour", ZoneInfo("UTC")))
    assert len(report["series"]) == 366 * 24
    assert [row["start"] for row in report["series"] if row["total_clicks"]] == ["2024-02-29T23:00:00+00:00"]
    assert report["breakdowns"] == {}


def test_wrong_queries() -> None:
    day, zone = datetime(2025, 1, 1, tzinfo=UTC), ZoneInfo("UTC")
    with pytest.raises(EmptyRangeError):
        StatsQuery(Scope("acme", (1,)), day, day, "day", zone)
    with pytest.raises(InvertedRangeError):
        StatsQuery(Scope("acme", (1,)), day, day - timedelta(days=1), "day", zone)
    with pytest.raises(ValueError, match="no dimension ip"):
        StatsQuery(Scope("acme", (1,)), day, day + timedelta(days=1), "day", zone, ("ip",))  # type: ignore[arg-type]
