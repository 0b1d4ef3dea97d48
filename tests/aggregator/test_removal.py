"""Erasure and retention: what is to go is gone, the rest is untouched, and the ledger balances after each."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aggregator.contract import read_ledger, refresh
from aggregator.erasure import purge_deleted_rows, sweep_erasures
from aggregator.retention import Cutoff, cutoffs, expire_clicks
from ingest.contract import LINK_COUNTS, Catalogue, TenantDocument, Warehouse
from tests.fixtures.clicks import insert_clicks
from tests.ingest.click_events import click_json

NOW = datetime(2025, 6, 15, 12, 7, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
NO_SPOOL = Path("/nonexistent")


def clicks(count: int, *, first_seq: int = 1, at: datetime = NOW, **fields: object) -> list[dict[str, Any]]:
    ts = int(at.timestamp() * 1000)
    return [{"ts": ts, "seq": first_seq + number, **fields} for number in range(count)]


def expire(warehouse: Warehouse, days: int, tenants: Sequence[TenantDocument] = ()) -> int:
    return expire_clicks(warehouse, list(cutoffs({tenant.id: tenant for tenant in tenants}, days, NOW)))


def assert_balanced(warehouse: Warehouse, *, rows: int, stored: int, removed: int) -> None:
    ledger = read_ledger(warehouse, NO_SPOOL)
    assert (ledger.rows, ledger.stored, ledger.erased + ledger.expired) == (rows, stored, removed)
    assert ledger.is_balanced, ledger.differences


def left(warehouse: Warehouse) -> list[tuple[int, int]]:
    rows = warehouse.query("SELECT link, count() FROM clicks GROUP BY link ORDER BY link")
    return [(int(link), int(count)) for link, count in rows]


def test_a_deleted_links_clicks_are_gone_and_others_stay(warehouse: Warehouse) -> None:
    insert_clicks(warehouse, [*clicks(5, link=1), *clicks(7, link=2, first_seq=6)], "a")
    Catalogue(warehouse).delete_link("acme", 1, NOW_MS, token="x")
    assert left(warehouse) == [(2, 7)]
    assert_balanced(warehouse, rows=7, stored=12, removed=5)


def test_a_click_that_was_on_its_way_is_swept(warehouse: Warehouse) -> None:
    Catalogue(warehouse).delete_link("acme", 1, NOW_MS, token="x")
    insert_clicks(warehouse, [*clicks(3, link=1), *clicks(2, link=2, first_seq=4)], "late")
    assert sweep_erasures(warehouse, NOW + timedelta(hours=47)) == 1
    assert left(warehouse) == [(2, 2)]
    assert_balanced(warehouse, rows=2, stored=5, removed=3)
    assert sweep_erasures(warehouse, NOW + timedelta(hours=47)) == 0


def told_of_links(warehouse: Warehouse) -> dict[str, set[int]]:
    """The links of which something is counted or kept as it came, by table."""
    found = {
        table: {int(link) for (link,) in warehouse.query(f"SELECT subject FROM {table} WHERE scope = 'link'")}
        for table in LINK_COUNTS
    }
    letters = warehouse.query("SELECT extract(value, '\"link\":([0-9]+)') FROM dead_letters")
    return {**found, "dead_letters": {int(link) for (link,) in letters}}


def put_letters(warehouse: Warehouse, first_position: int) -> None:
    """Of links 1 and 2 each: a whole event of a wrong method, and one that is cut off."""
    values = [
        click_json(link=link, tenant="acme", method="PUT")[: None if is_whole else -5]
        for link in (1, 2)
        for is_whole in (True, False)
    ]
    position = list(range(first_position, first_position + len(values)))
    columns = {"partition": ["7"] * 4, "position": position, "value": [value.decode() for value in values]}
    warehouse.insert("dead_letters", columns, token=f"letters {first_position}")


def test_what_an_erased_link_had_counted_is_gone_and_stays_so(warehouse: Warehouse) -> None:
    batch = [*clicks(1_200, link=1), *clicks(1_200, link=2, first_seq=2_000)]
    tomorrow = NOW + timedelta(days=1, hours=1)
    insert_clicks(warehouse, batch, "a")
    put_letters(warehouse, 1)
    while refresh(warehouse, tomorrow, everything=True):
        pass
    # Who returned is counted of far more clicks only.
    warehouse.command(
        "INSERT INTO rollup_returns (tenant, scope, subject) VALUES ('acme', 'link', 1), ('acme', 'link', 2)"
    )
    assert set(map(frozenset, told_of_links(warehouse).values())) == {frozenset({1, 2})}
    erase(warehouse)
    assert set(map(frozenset, told_of_links(warehouse).values())) == {frozenset({2})}

    insert_clicks(warehouse, batch, "a")  # repeated: adds nothing
    assert sweep_erasures(warehouse, NOW) == 0
    insert_clicks(
        warehouse, [*clicks(2, link=1, first_seq=5_000), *clicks(3, link=2, first_seq=6_000)], "late"
    )
    put_letters(warehouse, 11)
    assert refresh(warehouse, tomorrow, everything=True)
    assert sweep_erasures(warehouse, NOW) == 1
    assert sweep_erasures(warehouse, NOW) == 0
    while refresh(warehouse, tomorrow, everything=True):
        pass
    assert set(map(frozenset, told_of_links(warehouse).values())) == {frozenset({2})}
    day = "SELECT clicks FROM rollup_windows FINAL WHERE scope = 'link' AND grain = 86400 AND subject = 2"
    assert warehouse.query(day) == [(1_203,)]
    assert left(warehouse) == [(2, 1_203)]
    assert read_ledger(warehouse, NO_SPOOL).is_balanced


def test_another_tenants_link_is_not_swept(warehouse: Warehouse) -> None:
    Catalogue(warehouse).delete_link("other", 1, NOW_MS, token="x")
    insert_clicks(warehouse, clicks(3, link=1), "a")
    assert sweep_erasures(warehouse, NOW) == 0
    assert left(warehouse) == [(1, 3)]


def test_old_erasures_are_not_swept_again(warehouse: Warehouse) -> None:
    Catalogue(warehouse).delete_link("acme", 1, NOW_MS, token="x")
    insert_clicks(warehouse, clicks(1, link=1), "a")
    assert sweep_erasures(warehouse, NOW + timedelta(hours=49)) == 0


def erase(warehouse: Warehouse) -> None:
    Catalogue(warehouse).delete_link("acme", 1, NOW_MS, token="x")


def erase_and_purge(warehouse: Warehouse) -> None:
    erase(warehouse)
    assert "clicks" in purge_deleted_rows(warehouse)
    warehouse.command("OPTIMIZE TABLE clicks FINAL")
    assert purge_deleted_rows(warehouse) == []


@pytest.mark.parametrize("remove", [erase, erase_and_purge])
def test_a_repeated_insert_adds_nothing_after_an_erasure(
    warehouse: Warehouse, remove: Callable[[Warehouse], None]
) -> None:
    batch = [*clicks(5, link=1), *clicks(7, link=2, first_seq=6)]
    insert_clicks(warehouse, batch, "a")
    remove(warehouse)
    insert_clicks(warehouse, batch, "a")
    assert left(warehouse) == [(2, 7)]
    insert_clicks(warehouse, clicks(1, link=2, first_seq=13), "b")
    assert_balanced(warehouse, rows=8, stored=13, removed=5)


def test_an_erased_links_bytes_leave_the_disk(warehouse: Warehouse) -> None:
    insert_clicks(warehouse, [*clicks(5, link=1), *clicks(7, link=2, first_seq=6)], "a")
    erase_and_purge(warehouse)
    assert warehouse.query(
        "SELECT sum(rows) FROM system.parts"
        " WHERE database = currentDatabase() AND table = 'clicks' AND active"
    ) == [(7,)]


def test_clicks_older_than_retention_expire_in_whole_days(warehouse: Warehouse) -> None:
    midnight = datetime(2025, 5, 16, tzinfo=UTC)  # 30 days before NOW's day
    ages = [
        midnight - timedelta(days=400),
        midnight - timedelta(days=31),
        midnight - timedelta(milliseconds=1),
        midnight,
        NOW,
    ]
    for seq, at in enumerate(ages, 1):
        insert_clicks(warehouse, clicks(1, first_seq=seq, at=at), str(seq))
    assert expire(warehouse, 30) > 0
    kept = warehouse.query("SELECT seq FROM clicks ORDER BY seq")
    assert kept == [(4,), (5,)]
    assert_balanced(warehouse, rows=2, stored=5, removed=3)
    assert expire(warehouse, 30) == 0


def test_nothing_expires_before_its_time(warehouse: Warehouse) -> None:
    insert_clicks(warehouse, clicks(3, at=NOW - timedelta(days=399)), "a")
    assert expire(warehouse, 400) == 0
    assert_balanced(warehouse, rows=3, stored=3, removed=0)


def test_a_batch_repeated_after_it_expired_adds_nothing(warehouse: Warehouse) -> None:
    old, kept = clicks(4, at=NOW - timedelta(days=90)), clicks(2, first_seq=5)
    insert_clicks(warehouse, old, "old")
    insert_clicks(warehouse, kept, "kept")
    expire(warehouse, 30)
    for _ in range(2):
        insert_clicks(warehouse, old, "old")
        insert_clicks(warehouse, kept, "kept")
        assert_balanced(warehouse, rows=2, stored=6, removed=4)
        purge_deleted_rows(warehouse)
        warehouse.command("OPTIMIZE TABLE clicks FINAL")


def test_each_tenant_s_clicks_expire_in_its_own_time(warehouse: Warehouse) -> None:
    ages = [("a", 6), ("a", 8), ("b", 29), ("b", 31), ("c", 31), ("c", 300)]
    for seq, (tenant, days) in enumerate(ages, 1):
        at = NOW - timedelta(days=days)
        insert_clicks(warehouse, clicks(1, first_seq=seq, at=at, tenant=tenant), f"{seq}")
    kept_days = {"a": 7, "b": None, "c": 200}
    tenants = [TenantDocument(tenant, retention_days=days) for tenant, days in kept_days.items()]
    assert expire(warehouse, 30, tenants) == 3
    assert warehouse.query("SELECT tenant, seq FROM clicks ORDER BY seq") == [("a", 1), ("b", 3), ("c", 5)]
    assert_balanced(warehouse, rows=3, stored=6, removed=3)
    assert warehouse.query("SELECT reason, count() FROM removed_clicks GROUP BY reason") == [("expired", 3)]


def test_a_day_is_kept_whole_in_the_night_in_which_the_clocks_change() -> None:
    midnight_ms = int(datetime(2025, 3, 30, tzinfo=UTC).timestamp() * 1000)
    berlin = ZoneInfo("Europe/Berlin")
    for hour in range(48):  # of 30 and 31 March: at 01:00 UTC on the 30th the clocks go forward
        now = datetime(2025, 3, 30, tzinfo=UTC) + timedelta(hours=hour)
        (cutoff,) = cutoffs({}, 1, now.astimezone(berlin))
        assert cutoff == Cutoff(midnight_ms + (hour // 24 - 1) * 86_400_000, (), others=True)


def test_29_february_is_a_day_like_any_other() -> None:
    (cutoff,) = cutoffs({}, 365, datetime(2025, 2, 28, 12, tzinfo=UTC))
    assert cutoff.cutoff_ms == int(datetime(2024, 2, 29, tzinfo=UTC).timestamp() * 1000)


def test_a_lost_rollup_row_shows_in_the_balance(warehouse: Warehouse) -> None:
    insert_clicks(warehouse, clicks(4), "a")
    assert_balanced(warehouse, rows=4, stored=4, removed=0)
    warehouse.command("DELETE FROM click_changes WHERE true")
    assert read_ledger(warehouse, NO_SPOOL).differences == {"answered": 0, "rows": 0, "rollup": -4}
