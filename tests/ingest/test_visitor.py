"""Visitors: a person by code, everyone else by address and user agent; the key is made once."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.enrich.visitor import KEY_BYTES, VisitorIds, VisitorKeyError, load_key
from tests.ingest.click_events import a_click

visitor = VisitorIds(b"k" * KEY_BYTES)


def test_a_personal_code_is_one_visitor_on_whatever_device() -> None:
    phone = a_click(personal=True, code="Abcd1234", ip="198.51.100.7", ua="phone")
    desktop = a_click(personal=True, code="Abcd1234", ip="203.0.113.9", ua="desktop", tenant="main")
    assert visitor(phone) == visitor(desktop)
    assert visitor(a_click(personal=True, code="Abcd1235")) != visitor(phone)
    assert visitor(a_click(personal=True, code="Abcd1234", link=18)) != visitor(phone)
    assert visitor(a_click(personal=False, code="Abcd1234", ip="198.51.100.7", ua="phone")) != visitor(phone)


def test_another_code_is_told_by_address_user_agent_and_tenant() -> None:
    first = a_click(ip="198.51.100.7", ua="x")
    assert visitor(a_click(ip="198.51.100.7", ua="x", link=99, code="Other123")) == visitor(first)
    for other in ({"ip": "198.51.100.8", "ua": "x"}, {"ip": "198.51.100.7", "ua": "y"}):
        assert visitor(a_click(**other)) != visitor(first)
    assert visitor(a_click(ip="198.51.100.7", ua="x", tenant="else")) != visitor(first)


def test_ids_fit_the_column_and_depend_on_the_key() -> None:
    click = a_click()
    assert 0 <= visitor(click) < 2**64
    assert VisitorIds(b"l" * KEY_BYTES)(click) != visitor(click)


def test_the_key_is_made_once_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "visitor.key"
    key = load_key(path)
    assert len(key) == KEY_BYTES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path) == key
    assert [file.name for file in path.parent.iterdir()] == ["visitor.key"]


def test_programs_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_key(tmp_path / "visitor.key"), range(64)))
    assert len(keys) == 1


def test_a_key_file_of_another_size_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "visitor.key"
    path.write_bytes(b"short")
    with pytest.raises(VisitorKeyError, match="restore it"):
        load_key(path)
