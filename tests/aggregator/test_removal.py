"""Erasure and retention: what is to go is gone, the rest is untouched, and the ledger balances after each."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aggregator.contract import Balance, balance
from aggregator.erasure import purge_deleted_rows, sweep_erasures
from aggregator.retention import expire_clicks
from ingest.contract import Catalogue, Warehouse
from tests.fixtures.clicks import insert_clicks

NOW = datetime(2025, 6, 15, 12, 7, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def clicks(count: int, *, first_seq: int = 1, at: datetime = NOW, **fields: object) -> list[dict[str, Any]]:
    ts = int(at.timestamp() * 1000)
    return [{"ts": ts, "seq": first_seq + number, **fields} for number in range(count)]


def left(warehouse: Warehouse) -> list[tuple[int, int]]:
    rows = warehouse.query("SELECT link, count() FROM clicks GROUP BY link ORDER BY link")
    return [(int(link), int(count)) for link, count in rows]


def test_a_deleted_links_clicks_are_gone_and_others_stay(warehouse: Warehouse) -> None:
    insert_clicks(warehouse, [*clicks(5, link=1), *clicks(7, link=2, first_seq=6)], "a")
    Catalogue(warehouse).delete_link("acme", 1, NOW_MS, token="x")
    assert left(warehouse) == [(2, 7)]
    assert balance(warehouse) == Balance(rows=7, in_rollup=7, stored=12, removed=5)
    assert balance(warehouse).is_balanced


def test_a_click_that_was_on_its_way_is_swept(warehouse: Warehouse) -> None:
    Catalogue(warehouse).delete_link("acme", 1, NOW_MS, token="x")
    insert_clicks(warehouse, [*clicks(3, link=1), *clicks(2, link=2, first_seq=4)], "late")
    assert sweep_erasures(warehouse, NOW + timedelta(hours=47)) == 1
    assert left(warehouse) == [(2, 2)]
    assert balance(warehouse) == Balance(rows=2, in_rollup=2, stored=5, removed=3)
    assert sweep_erasures(warehouse, NOW + timedelta(hours=47)) == 0


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
    assert balance(warehouse) == Balance(rows=8, in_rollup=8, stored=13, removed=5)


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
    for seq, at in enumerate(ages):
        insert_clicks(warehouse, clicks(1, first_seq=seq, at=at), str(seq))
    assert expire_clicks(warehouse, 30, NOW) > 0
    kept = warehouse.query("SELECT seq FROM clicks ORDER BY seq")
    assert kept == [(3,), (4,)]
    assert balance(warehouse) == Balance(rows=2, in_rollup=2, stored=5, removed=3)
    assert expire_clicks(warehouse, 30, NOW) == 0


def test_nothing_expires_before_its_time(warehouse: Warehouse) -> None:
    insert_clicks(warehouse, clicks(3, at=NOW - timedelta(days=399)), "a")
    assert expire_clicks(warehouse, 400, NOW) == 0
    assert balance(warehouse) == Balance(rows=3, in_rollup=3, stored=3, removed=0)


def test_a_batch_repeated_after_its_month_was_dropped_is_dropped_again(warehouse: Warehouse) -> None:
    old, kept = clicks(4, at=NOW - timedelta(days=90)), clicks(2, first_seq=5)
    insert_clicks(warehouse, old, "old")
    insert_clicks(warehouse, kept, "kept")
    expire_clicks(warehouse, 30, NOW)
    insert_clicks(warehouse, old, "old")
    insert_clicks(warehouse, kept, "kept")
    expire_clicks(warehouse, 30, NOW)
    assert balance(warehouse) == Balance(rows=2, in_rollup=2, stored=6, removed=4)


def test_a_lost_rollup_row_shows_in_the_balance(warehouse: Warehouse) -> None:
    insert_clicks(warehouse, clicks(4), "a")
    assert balance(warehouse).is_balanced
    warehouse.command("DELETE FROM clicks_15m WHERE true")
    assert not balance(warehouse).is_balanced
