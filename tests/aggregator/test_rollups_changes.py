"""The count of changes, by which a rollup knows whether it still holds."""

from aggregator.rollups import mark_dirty
from ingest.contract import Warehouse
from tests.fixtures.clicks import insert_clicks

QUARTER_MS = 900_000
NOON_MS = 1_750_000_500_000 // QUARTER_MS * QUARTER_MS


def changes(warehouse: Warehouse, scope: str, subject: str = "0") -> list[tuple[int, int, int]]:
    """Quarter (counted from noon), clicks and marks."""
    rows = warehouse.query(
        "SELECT toUnixTimestamp(start), sum(clicks), sum(marks) FROM click_changes"
        f" WHERE scope = '{scope}' AND subject = {subject} GROUP BY start ORDER BY start"
    )
    return [((int(at) * 1000 - NOON_MS) // QUARTER_MS, int(clicks), int(marks)) for at, clicks, marks in rows]


def test_a_stored_click_is_a_change_of_its_link_its_domain_and_its_tenant(warehouse: Warehouse) -> None:
    clicks = [
        {"ts": NOON_MS, "seq": 1, "domain": "s.example.com"},
        {"ts": NOON_MS + QUARTER_MS - 1, "seq": 2, "domain": "s.example.com"},
        {"ts": NOON_MS + QUARTER_MS, "seq": 3, "link": 2},
    ]
    insert_clicks(warehouse, clicks, "a")
    insert_clicks(warehouse, clicks, "a")
    assert changes(warehouse, "link", "1") == [(0, 2, 0)]
    assert changes(warehouse, "link", "2") == [(1, 1, 0)]
    assert changes(warehouse, "domain", "cityHash64('s.example.com')") == [(0, 2, 0)]
    assert changes(warehouse, "tenant") == [(0, 2, 0), (1, 1, 0)]


def test_a_mark_is_a_change_of_whatever_the_click_is_counted_in(warehouse: Warehouse) -> None:
    clicks = [{"ts": NOON_MS + quarter * QUARTER_MS, "seq": quarter} for quarter in range(4)]
    insert_clicks(warehouse, [*clicks, {"ts": NOON_MS, "seq": 9, "link": 2}], "a")
    insert_clicks(warehouse, [{"ts": NOON_MS, "seq": 10, "tenant": "other"}], "b")
    for _ in range(2):
        mark_dirty(warehouse, "acme", 1, NOON_MS + QUARTER_MS + 5, NOON_MS + 2 * QUARTER_MS + 1)
    assert changes(warehouse, "link", "1") == [(0, 2, 0), (1, 1, 2), (2, 1, 2), (3, 1, 0)]
    assert changes(warehouse, "link", "2") == [(0, 1, 0)]
    mark_dirty(warehouse, "acme", None, NOON_MS, NOON_MS + 1)
    assert changes(warehouse, "link", "2") == [(0, 1, 1)]
    assert changes(warehouse, "tenant") == [(0, 3, 1), (1, 1, 2), (2, 1, 2), (3, 1, 0)]


def test_nothing_is_marked_where_no_click_ever_was(warehouse: Warehouse) -> None:
    mark_dirty(warehouse, "acme", None, 0, NOON_MS)
    mark_dirty(warehouse, "acme", None, NOON_MS, NOON_MS)
    assert changes(warehouse, "tenant") == []
