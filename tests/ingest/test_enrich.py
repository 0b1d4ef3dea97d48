"""Enrichment as a whole: user agents, referrers, and rows that fit the table whatever a stranger sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.enrich.geo import Geo
from ingest.enrich.referrer import referrer_of
from ingest.enrich.rules import RULES_VERSION
from ingest.enrich.steps import Enrichment
from ingest.enrich.visitor import VisitorIds
from ingest.rows import CLICK_COLUMNS
from tests.ingest.click_events import IPHONE, NOON_MS, a_click

enrichment = Enrichment(geo=Geo(None), visitor_ids=VisitorIds(b"k" * 32))


@pytest.mark.parametrize(
    ("referer", "expected"),
    [
        ("", "Direct"),
        ("https://www.Example.com/path?q=1", "www.example.com"),
        ("https://example.com", "example.com"),
        ("http://user:pass@example.com:8080/x", "example.com"),
        ("https://example.com.", "example.com"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("http://[2001:db8::1]:8080/", "[2001:db8::1]"),
        ("about:blank", "Other"),
        ("https://", "Other"),
        ("/path", "Other"),
        ("https://exa mple.com/", "Other"),
        ("https://evil\r\n.com/", "Other"),
    ],
)
def test_referrers(referer: str, expected: str) -> None:
    assert referrer_of(referer) == expected


def test_every_column_is_filled_by_one_step_and_stands_in_the_table_s_order() -> None:
    filled = [column for step in enrichment.steps for column in step.columns]
    assert sorted([*filled, "ingested_at"]) == sorted(CLICK_COLUMNS)
    clicks = [a_click(seq=seq) for seq in (1, 2, 3)]
    columns = enrichment.columns(clicks, now_ms=5)
    assert tuple(columns) == CLICK_COLUMNS
    assert {len(column) for column in columns.values()} == {3}


def test_a_row_says_what_is_known_of_the_click() -> None:
    click = a_click(signals={"sec-fetch-site": "none"}, referer="https://example.com/", ip="10.0.0.1")
    columns = enrichment.columns([click], now_ms=NOON_MS + 40)
    row = {name: column[0] for name, column in columns.items()}
    assert row.pop("visitor") == VisitorIds(b"k" * 32)(click)
    assert row == {
        "tenant": "main",
        "link": 17,
        "ts": NOON_MS,
        "code": "Penhgy12",
        "domain": "s.example.com",
        "personal": False,
        "source": 7,
        "seq": 1,
        "method": "GET",
        "route": "ios",
        "outcome": "redirected",
        "verdict": "human",
        "rule": "browser",
        "rules_version": RULES_VERSION,
        "ip": "10.0.0.1",
        "user_agent": IPHONE,
        "referer": "https://example.com/",
        "referrer": "example.com",
        "language": "en-US",
        "signals": '{"sec-fetch-site":"none"}',
        "country": "Private",
        "region": "Private",
        "city": "Private",
        "latitude": 0.0,
        "longitude": 0.0,
        "browser": "Mobile Safari",
        "browser_version": "17.4",
        "os": "iOS",
        "os_version": "17.4",
        "device_brand": "Apple",
        "device": "iPhone",
        "platform": "mobile",
        "ingested_at": NOON_MS + 40,
        "asn": 0,
        "network": "Private",
        "network_kind": "Private",
        "channel": "redirect",
    }


def test_every_step_is_timed_under_its_name_and_caches_count() -> None:
    fresh = Enrichment(geo=Geo(None), visitor_ids=VisitorIds(b"k" * 32))
    seconds: dict[str, float] = {}
    fresh.columns([a_click(seq=1), a_click(seq=2)], now_ms=1, timed=seconds.__setitem__)
    steps = ["carry", "user_agent", "geo", "network", "verdict", "visitor", "referrer", "privacy"]
    assert list(seconds) == steps
    assert fresh.cache_uses() == dict.fromkeys(("user_agent", "geo", "network", "verdict"), (1, 1))


@given(
    st.text(max_size=200),
    st.text(max_size=200),
    st.text(max_size=50),
    st.text(max_size=50) | st.ip_addresses().map(str),
    st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=3),
)
def test_whatever_a_stranger_sends_makes_a_row(
    user_agent: str, referer: str, language: str, ip: str, signals: dict[str, str]
) -> None:
    click = a_click(ua=user_agent, referer=referer, language=language, ip=ip, signals=signals)
    columns = enrichment.columns([click], now_ms=1)
    for name in (
        "browser",
        "os",
        "device",
        "device_brand",
        "platform",
        "referrer",
        "country",
        "region",
        "city",
    ):
        assert columns[name][0]
    assert columns["verdict"][0] in {"human", "preview", "automated"}
