"""Places: both record layouts, both address families, private addresses, and files that come and go."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.enrich.database_files import CHECK_INTERVAL_S
from ingest.enrich.geo import PRIVATE, UNKNOWN, Geo, Place
from tests.ingest.mmdb import write_mmdb

FLAT = {"country_code": "GB", "state1": "England", "city": "London", "latitude": 51.5, "longitude": -0.1}
NESTED = {
    "country": {"iso_code": "DE", "names": {"en": "Germany"}},
    "subdivisions": [{"iso_code": "BE", "names": {"en": "Land Berlin", "de": "Berlin"}}],
    "city": {"names": {"en": "Berlin"}},
    "location": {"latitude": 52.5, "longitude": 13.4},
}
LONDON = Place("GB", "England", "London", 51.5, -0.1)
BERLIN = Place("DE", "Land Berlin", "Berlin", 52.5, 13.4)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_flat_records_of_two_files_in_a_folder(tmp_path: Path) -> None:
    write_mmdb(tmp_path / "city-ipv4.mmdb", {"81.2.69.0/24": FLAT}, ip_version=4)
    write_mmdb(tmp_path / "city-ipv6.mmdb", {"2a00::/16": {**FLAT, "city": "Leeds"}}, ip_version=6)
    geo = Geo(tmp_path)
    assert geo.locate("81.2.69.142") == LONDON
    assert geo.locate("::ffff:81.2.69.142") == LONDON
    assert geo.locate("2a00::1").city == "Leeds"
    assert geo.locate("8.8.8.8") == UNKNOWN
    assert geo.locate("2001:db8::1") == UNKNOWN


def test_nested_records_of_one_file_with_both_families(tmp_path: Path) -> None:
    file = tmp_path / "GeoLite2-City.mmdb"
    write_mmdb(file, {"81.2.69.0/24": NESTED, "2a00::/16": NESTED}, ip_version=6, kind="GeoLite2-City")
    geo = Geo(file)
    assert geo.locate("81.2.69.142") == BERLIN
    assert geo.locate("2a00::1") == BERLIN
    assert geo.database_kinds == ["GeoLite2-City"]


@pytest.mark.parametrize(
    "record",
    [{"country": {"iso_code": "DE"}}, {"country_code": "DE", "state1": "", "city": ""}],
)
def test_a_country_alone_leaves_the_rest_unknown(tmp_path: Path, record: object) -> None:
    write_mmdb(tmp_path / "country.mmdb", {"81.2.69.0/24": record}, ip_version=4)
    assert Geo(tmp_path).locate("81.2.69.142") == Place("DE", "Unknown", "Unknown", 0.0, 0.0)


def test_a_city_database_comes_before_others_and_files_of_another_kind_are_passed_over(
    tmp_path: Path,
) -> None:
    network = "81.2.69.0/24"
    write_mmdb(
        tmp_path / "a.mmdb",
        {network: {"autonomous_system_organization": "AS64500"}},
        ip_version=4,
        kind="ASN",
    )
    write_mmdb(tmp_path / "b.mmdb", {network: {"country_code": "GB"}}, ip_version=4, kind="Country")
    write_mmdb(tmp_path / "c.mmdb", {network: FLAT}, ip_version=4, kind="City")
    (tmp_path / "d.mmdb").write_bytes(b"no database")
    assert Geo(tmp_path).locate("81.2.69.142") == LONDON


def test_records_of_an_unknown_layout_are_no_place(tmp_path: Path) -> None:
    odd = {
        "81.2.69.0/28": {"country": "GB"},
        "81.2.69.16/28": {"country": {"iso_code": 5.0}},
        "81.2.69.32/28": {"country_code": "GB", "state1": 1.0, "city": [], "latitude": "51", "longitude": {}},
        "81.2.69.48/28": {"country": {"iso_code": "DE"}, "subdivisions": {}, "city": "x", "location": []},
    }
    write_mmdb(tmp_path / "odd.mmdb", odd, ip_version=4)
    geo = Geo(tmp_path)
    assert [geo.locate(f"81.2.69.{last}") for last in (1, 17)] == [UNKNOWN, UNKNOWN]
    assert [geo.locate(f"81.2.69.{last}") for last in (33, 49)] == [
        Place("GB", "Unknown", "Unknown", 0.0, 0.0),
        Place("DE", "Unknown", "Unknown", 0.0, 0.0),
    ]


def test_a_damaged_database_is_dropped_and_the_others_go_on(tmp_path: Path) -> None:
    network = "81.2.69.0/24"
    write_mmdb(tmp_path / "a.mmdb", {network: FLAT}, ip_version=4)
    content = (tmp_path / "a.mmdb").read_bytes()
    (tmp_path / "a.mmdb").write_bytes(content.replace(b"London", b"\xff\xff\xff\xff\xff\xff"))
    write_mmdb(tmp_path / "b.mmdb", {network: NESTED}, ip_version=4)
    geo = Geo(tmp_path)
    assert len(geo.database_kinds) == 2
    assert geo.locate("81.2.69.142") == BERLIN
    assert len(geo.database_kinds) == 1


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "169.254.1.1",
        "100.64.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
    ],
)
def test_private_addresses_need_no_database(address: str) -> None:
    assert Geo(None).locate(address) == PRIVATE


def test_without_a_database_every_other_address_is_unknown(tmp_path: Path) -> None:
    for path in (None, tmp_path / "missing.mmdb", tmp_path):
        assert Geo(path).locate("8.8.8.8") == UNKNOWN


def test_a_changed_file_is_read_again_but_not_looked_at_all_the_time(tmp_path: Path) -> None:
    clock = Clock()
    geo = Geo(tmp_path, clock=clock)
    assert geo.locate("81.2.69.142") == UNKNOWN
    file = tmp_path / "city.mmdb"
    write_mmdb(file, {"81.2.69.0/24": FLAT}, ip_version=4)
    geo.refresh()
    assert geo.locate("81.2.69.142") == UNKNOWN
    clock.now_s = CHECK_INTERVAL_S
    geo.refresh()
    assert geo.locate("81.2.69.142") == LONDON

    write_mmdb(tmp_path / "new", {"81.2.69.0/24": NESTED}, ip_version=4)
    os.utime(tmp_path / "new", ns=(1, 1))
    (tmp_path / "new").replace(file)
    clock.now_s *= 2
    geo.refresh()
    assert geo.locate("81.2.69.142") == BERLIN

    file.unlink()
    clock.now_s *= 2
    geo.refresh()
    assert geo.locate("81.2.69.142") == UNKNOWN


@given(st.text(max_size=40) | st.ip_addresses().map(str))
def test_any_address_has_a_place(address: str) -> None:
    place = Geo(None).locate(address)
    assert place in {PRIVATE, UNKNOWN}
