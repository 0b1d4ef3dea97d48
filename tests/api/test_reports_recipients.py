"""Who clicked, and the 30-day counts."""

from datetime import UTC, datetime, timedelta

import pytest

from api.reports.contract import counts_30d, stream_who_clicked, who_clicked
from ingest.contract import Catalogue, CursorError, Warehouse
from tests.fixtures.clicks import insert_clicks

NOW = datetime(2025, 6, 15, 12, 7, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def test_who_clicked_by_human_clicks_alone(warehouse: Warehouse) -> None:
    catalogue = Catalogue(warehouse)
    codes = [("aaaa", "+15550101", "r1"), ("bbbb", "+15550102", ""), ("cccc", "+15550103", "")]
    catalogue.add_codes("acme", 1, codes, NOW_MS, token="a")
    phone = {"ip": "192.0.2.1", "browser": "Mobile Safari", "os": "iOS", "device": "iPhone", "country": "DE"}
    insert_clicks(
        warehouse,
        [
            {"code": "aaaa", "ts": NOW_MS + 5, "seq": 1, **phone, "region": "Berlin"},
            {"code": "aaaa", "ts": NOW_MS, "seq": 2, "ip": "192.0.2.2"},
            {"code": "aaaa", "ts": NOW_MS + 9, "seq": 3, "verdict": "preview", "ip": "192.0.2.3"},
            {"code": "bbbb", "ts": NOW_MS, "seq": 4, "verdict": "automated"},
            {"code": "own", "ts": NOW_MS, "seq": 5},
            {"code": "cccc", "ts": NOW_MS, "seq": 6, "link": 2},
        ],
        "b",
    )
    expected = [
        {
            "recipient": "+15550101",
            "reference": "r1",
            "code": "aaaa",
            "clicks": 2,
            "first_click_ms": NOW_MS,
            "last_click_ms": NOW_MS + 5,
            "address": "192.0.2.1",
            "browser": "Mobile Safari",
            "os": "iOS",
            "device": "iPhone",
            "country": "DE",
            "region": "Berlin",
        }
    ]
    assert who_clicked(warehouse, "acme", 1, 10, None) == (expected, None)
    assert list(stream_who_clicked(warehouse, "acme", 1)) == expected
    assert who_clicked(warehouse, "other", 1, 10, None) == ([], None)


def test_who_clicked_in_pages_while_clicks_come_in(warehouse: Warehouse) -> None:
    codes = [(f"c{n:04}", f"+1555{n * 7 % 25:04}", f"r{n}") for n in range(25)]
    Catalogue(warehouse).add_codes("acme", 1, codes, NOW_MS, token="a")
    clicks = [{"code": code, "ts": NOW_MS, "seq": n} for n, (code, _, _) in enumerate(codes)]
    insert_clicks(warehouse, clicks, "b")
    found: list[str] = []
    cursor: str | None = None
    for turn in range(4):
        page, cursor = who_clicked(warehouse, "acme", 1, 8, cursor)
        found += [row["code"] for row in page]
        insert_clicks(warehouse, clicks, f"more {turn}")
    assert cursor is None
    assert found == [code for code, _, _ in sorted(codes, key=lambda code: (code[1], code[2]))]


@pytest.mark.parametrize("cursor", ["", "x", "!!", "W10", "WzEsMiwzXQ"])
def test_a_cursor_that_is_none_is_refused(warehouse: Warehouse, cursor: str) -> None:
    with pytest.raises(CursorError):
        who_clicked(warehouse, "acme", 1, 8, cursor)


def test_counts_of_30_days(warehouse: Warehouse) -> None:
    inside = int((NOW - timedelta(days=30)).replace(minute=0).timestamp() * 1000)
    catalogue = Catalogue(warehouse)
    catalogue.add_codes("acme", 1, [("aaaa", "+15550101", ""), ("bbbb", "+15550102", "")], inside, token="a")
    catalogue.add_codes("acme", 1, [("cccc", "+15550103", "")], inside - 1, token="b")
    clicks = [
        {"ts": inside, "seq": 1, "verdict": "preview"},
        {"ts": inside - 1, "seq": 2},
        {"ts": NOW_MS, "seq": 3, "link": 2},
        {"ts": NOW_MS, "seq": 4, "tenant": "other"},
    ]
    for click in clicks:
        insert_clicks(warehouse, [click], str(click["seq"]))
    assert counts_30d(warehouse, "acme", [1, 2, 3], NOW) == {1: (2, 1), 2: (0, 1), 3: (0, 0)}
    assert counts_30d(warehouse, "acme", [], NOW) == {}
