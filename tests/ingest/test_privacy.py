"""Addresses by profile: located whole, then cut; salts are shared, and gone when they should be."""

from typing import Any

import pytest

from ingest.clicks import Clicks
from ingest.decode import Click
from ingest.enrich.geo import Geo
from ingest.enrich.privacy import DAY_MS, WarehouseProfiles, day_of, drop_salts, truncate
from ingest.enrich.steps import Enrichment
from ingest.enrich.visitor import KEY_BYTES, VisitorIds
from ingest.tenants import AddressPrivacy, TenantDocument, save_tenant
from ingest.warehouse import Warehouse
from tests.ingest.click_events import NOON_MS, a_click

IP = "10.1.2.3"


def enrichment(warehouse: Warehouse, now_ms: int = NOON_MS) -> Enrichment:
    return Enrichment(
        geo=Geo(None),
        visitor_ids=VisitorIds(b"k" * KEY_BYTES),
        profiles_of=WarehouseProfiles(warehouse, clock=lambda: now_ms / 1000),
    )


def row(enriched: Enrichment, click: Click) -> dict[str, Any]:
    return {name: column[0] for name, column in enriched.columns([click], now_ms=1).items()}


def choose(warehouse: Warehouse, profile: AddressPrivacy, version: int = 1) -> None:
    save_tenant(warehouse, TenantDocument("main", address_privacy=profile, version=version))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.0"),
        ("2001:db8:1:2:3::4", "2001:db8:1::"),
        ("no address", ""),
        ("", ""),
    ],
)
def test_truncated_addresses(address: str, network: str) -> None:
    assert truncate(address) == network


def test_a_change_of_profile_counts_from_the_next_click_and_places_stay_known(warehouse: Warehouse) -> None:
    enriched = enrichment(warehouse)
    assert row(enriched, a_click(ip=IP))["ip"] == IP
    kept = {}
    for version, profile in enumerate(("truncated", "hashed", "none"), start=1):
        choose(warehouse, profile, version)
        cut = row(enriched, a_click(ip=IP))
        assert (cut["country"], cut["network"]) == ("Private", "Private")
        assert row(enriched, a_click(ip=IP, tenant="else"))["ip"] == IP
        kept[profile] = cut["ip"]
    assert kept["truncated"] == "10.1.2.0"
    assert len(kept["hashed"]) == 16
    assert kept["none"] == ""


def test_hashes_agree_between_programs_within_a_day_and_not_beyond(warehouse: Warehouse) -> None:
    choose(warehouse, "hashed")
    first, second = enrichment(warehouse), enrichment(warehouse)
    today, tomorrow = a_click(ip=IP), a_click(ip=IP, ts=NOON_MS + DAY_MS)
    for column in ("ip", "visitor"):
        assert row(first, today)[column] == row(second, today)[column]
        assert row(first, tomorrow)[column] != row(first, today)[column]
        assert row(first, a_click(ip="10.1.2.4"))[column] != row(first, today)[column]
    personal = a_click(ip=IP, personal=True)
    assert row(first, personal)["visitor"] == VisitorIds(b"k" * KEY_BYTES)(personal)


def test_salts_are_dropped_and_the_hash_can_t_be_made_again(warehouse: Warehouse) -> None:
    choose(warehouse, "hashed")
    click = a_click(ip=IP)
    before = row(enrichment(warehouse), click)
    assert drop_salts(warehouse, NOON_MS + DAY_MS) == 0
    assert drop_salts(warehouse, NOON_MS + 2 * DAY_MS) == 1
    assert warehouse.query("SELECT count() FROM address_salts") == [(0,)]
    late = enrichment(warehouse, NOON_MS + 2 * DAY_MS)
    again = row(late, click)
    assert (again["ip"], again["visitor"]) != (before["ip"], before["visitor"])
    assert again["ip"] != before["ip"]
    assert warehouse.query("SELECT count() FROM address_salts") == [(0,)]  # one that is never stored
    assert day_of(click.ts_ms) == day_of(NOON_MS)


def test_whoever_only_looks_makes_no_salt(warehouse: Warehouse) -> None:
    choose(warehouse, "hashed")
    WarehouseProfiles(warehouse, makes_salts=False, clock=lambda: NOON_MS / 1000)(Clicks.of([a_click(ip=IP)]))
    assert warehouse.query("SELECT count() FROM address_salts") == [(0,)]
