"""Decoding: good events come through as they are, anything else is refused with a reason."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract import SIGNAL_HEADERS
from ingest.decode import (
    DEAD_REASONS,
    MAX_REMEMBERED_BYTES,
    Click,
    Headers,
    UndecodableError,
    decode,
    decode_at_length,
)
from ingest.decode_columns import LOT, decode_columns
from tests.ingest.click_events import ORPHAN, click_event, click_json


def reason_of(value: bytes) -> str:
    with pytest.raises(UndecodableError) as caught:
        decode(value)
    assert caught.value.reason in DEAD_REASONS
    assert str(caught.value)
    return caught.value.reason


def test_a_good_event_comes_through_field_by_field() -> None:
    signals = dict.fromkeys(SIGNAL_HEADERS, "x")
    event = click_event(personal=True, referer="https://example.com", signals=signals)
    assert decode(orjson.dumps(event)) == Click(
        source=7,
        seq=1,
        ts_ms=event["ts"],
        host="s.example.com",
        code="Penhgy12",
        link=17,
        tenant="main",
        personal=True,
        method="GET",
        route="ios",
        outcome="redirected",
        ip="198.51.100.7",
        headers=Headers(event["ua"], "https://example.com", "en-US", signals),
    )


def test_an_orphan_comes_through() -> None:
    orphan = decode(click_json(**ORPHAN))
    assert (orphan.link, orphan.tenant, orphan.route, orphan.outcome) == (0, "", "none", "not_found")


def test_a_field_that_a_newer_edge_adds_is_passed_over() -> None:
    assert decode(click_json(later="x")) == decode(click_json())


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b'{"v":1', b"{} {}", b'{"ua":"\\ud800"}', b"NaN"])
def test_what_is_no_json(value: bytes) -> None:
    assert reason_of(value) == "not_json"


@pytest.mark.parametrize("value", [b"[]", b"1", b'"x"', b"null"])
def test_what_is_no_object(value: bytes) -> None:
    assert reason_of(value) == "not_an_object"


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version(version: object) -> None:
    assert reason_of(click_json(v=version)) == "unknown_version"


@pytest.mark.parametrize("name", sorted(set(click_event()) - {"v"}))
def test_every_field_must_be_there_and_of_its_type(name: str) -> None:
    event = click_event()
    del event[name]
    assert reason_of(orjson.dumps(event)) == "missing_field"
    for wrong in (None, 1.5, [], ["x"]):
        assert reason_of(click_json(**{name: wrong})) == "wrong_type"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"link": True}, "wrong_type"),
        ({"personal": 1}, "wrong_type"),
        ({"signals": {"purpose": 1}}, "wrong_type"),
        ({"source": 0}, "wrong_value"),
        ({"source": 2**63}, "wrong_value"),
        ({"seq": -1}, "wrong_value"),
        ({"ts": 0}, "wrong_value"),
        ({"ts": 4_102_444_800_001}, "wrong_value"),
        ({"method": "POST"}, "wrong_value"),
        ({"route": "windows"}, "wrong_value"),
        ({"outcome": "missed"}, "wrong_value"),
        ({"tenant": ""}, "wrong_value"),
        ({"link": 0}, "wrong_value"),
        ({"route": "none"}, "wrong_value"),
        ({"outcome": "not_found"}, "wrong_value"),
        ({**ORPHAN, "tenant": "main"}, "wrong_value"),
        ({**ORPHAN, "personal": True}, "wrong_value"),
        ({"ua": "x" * 2049}, "wrong_value"),
    ],
)
def test_values_that_the_warehouse_should_not_see(fields: dict[str, Any], reason: str) -> None:
    assert reason_of(click_json(**fields)) == reason


def in_columns(values: Sequence[bytes]) -> list[Click] | None:
    """Their clicks, each made of its columns."""
    clicks = decode_columns(values)
    return None if clicks is None else list(clicks)


def opinions_of(value: bytes) -> list[Click | str]:
    """What each of the two ways makes of an event: a click, or the reason why it is none."""
    opinions: list[Click | str] = []
    for way in (decode, decode_at_length):
        try:
            opinions.append(way(value))
        except UndecodableError as error:
            opinions.append(f"{error.reason}: {error}")
    return opinions


@pytest.mark.parametrize(
    "change",
    [
        (b'"v":1,', b'"v":1,"v":2,'),
        (b'"v":1,', b'"v":1,"v":1.0,'),
        (b'"v":1,', b'"v":1,"later":0,'),
        (b'"v":1,', b'"v":1,"later":"\xff",'),
        (b'"seq":1', b'"seq":1.0'),
        (b'"seq":1', b'"seq":1e2'),
        (b'"seq":1', b'"seq":9223372036854775808'),
        (b'"seq":1', b'"seq":-0'),
        (b'"seq":1', b'"seq":1,"seq":2'),
        (b'"seq":1', b'"seq":"1","seq":2'),
        (b'"personal":false', b'"personal":0'),
        (b'"code":"', b'"code":"\\ud83d\\ude00'),
        (b'"code":"', b'"code":"\\ud83d'),
        (b'"code":"', b'"code":"\\u0000'),
        (b'"code":"', b'"code":"\xed\xa0\x80'),
        (b'"code":"', b'"code":"\n'),
        (b'"signals":{', b'"signals":{"purpose":"a","purpose":"b"'),
        (b'"signals":{', b'"signals":{"purpose":null'),
        (b'"ua":', b'"\\u0075a":'),
        (b'"code":"', b'"code":"a,b'),
        (b'"code":"', b'"code":"a","b":"'),
        (b'"code":"', b'"code":"\r'),
        (b'"code":"', b'"code":"\x7f'),
        (b'"code":"', b'"code":"\xc3\xa9'),
        (b'"code":"', b'"code":"\xff'),
        (b'"code":"', b'"code": "'),
        (b'"code":"', b'"later":"'),
        (b'"code":"', b'"code":"' + b"x" * 2048),
        (b'"ip":"', b'"ip":"' + b"x" * 2037),
        (b'"code":"Penhgy12"', b'"code":""'),
        (b'"code":"Penhgy12"', b'"code":null'),
        (b'"ip":"198.51.100.7"', b'"ip":""'),
        (b'"ip":"198.51.100.7"', b'"ip":"198.51.100.7"\r'),
        (b'"ip":"198.51.100.7"', b'"ip":"198.51.100.7"\n'),
        (b'"ip":"198.51.100.7"', b'"ip":"198.51.100.7",'),
        (b'"link":17', b'"link":0'),
        (b'"link":17', b'"link":00'),
        (b'"link":17', b'"link":+17'),
        (b'"link":17', b'"link":0x17'),
        (b'"seq":1', b'"seq":0'),
        (b'"seq":1', b'"seq":01'),
        (b'"seq":1', b'"seq":1,\r'),
        (b'"seq":1', b'"seq":9223372036854775807'),
        (b'"seq":1', b'"seq":9999999999999999999'),
        (b'"source":7', b'"source": 7'),
        (b'"source":7', b'"source":9223372036854775808'),
        (b'"personal":false', b'"personal": false'),
        (b'"personal":false', b'"personal":FALSE'),
        (b'"host":"s.example.com"', b'"host":""'),
        (b'"host":"s.example.com"', b'"host":"\\u0073.example.com"'),
        (b'"method":"GET"', b'"method":"GET ""'),
        (b'"tenant":"main"', b'"tenant":""'),
        (b'"tenant":"main"', b'"host":"main"'),
        (b"{", b"\xef\xbb\xbf{"),
        (b"{", b" {"),
        (b"}}", b"}} "),
        (b"}}", b"}},"),
        (b"}}", b'},"channel":"app"}'),
        (b"}}", b'},"channel":"tv"}'),
        (b"}}", b'},"seq":2}'),
        (b"}}", b'},"ua":"other"}'),
        (b',"ua":', b',"headers":{"ua":"","referer":"","language":"","signals":{}},"ua":'),
        (b',"ua":', b',"ua":"first","ua":'),
        (b',"ua":', b',"later":{"ip":"","ua":""},"ua":'),
        (b',"ua":', b',,"ua":'),
        (b',"ua":', b'},"ua":'),
        (b',"ua":"', b',"ua":"\\",\\"ua\\":'),
        (b'"ip":"', b'"ip":",\\"ua\\":'),
        (b'"ip":"', b'"ua":"","ip":"'),
        (b'"signals":{}', b'"signals":{"ua":"","x-moz":""}'),
        (b'"signals":{}', b'"signals":{"x-moz":{"ua":""}}'),
    ],
)
def test_both_ways_of_decoding_agree_on_odd_json(change: tuple[bytes, bytes]) -> None:
    value = click_json()
    assert change[0] in value
    odd = value.replace(*change, 1)
    short, long = opinions_of(odd)
    assert short == long
    for lot in ([value, odd], [odd, value], [odd]):
        assert in_columns(lot) in (None, [decode(value) if each is value else short for each in lot])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_click_or_refused(value: bytes) -> None:
    reason_of(value)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(click_event())), _json)
def test_any_value_in_any_field_is_taken_or_refused(name: str, value: object) -> None:
    event = click_json(**{name: value})
    short, long = opinions_of(event)
    assert short == long
    assert in_columns([event]) in (None, [short])
    assert in_columns([click_json(), event]) in (None, [decode(click_json()), short])


def test_headers_are_shared_and_long_ones_not_remembered() -> None:
    first, second = decode(click_json(seq=1)), decode(click_json(seq=2))
    assert first.headers is second.headers
    first, second = (decode(click_json(seq=seq, ua="x" * MAX_REMEMBERED_BYTES)) for seq in (1, 2))
    assert first == decode(click_json(seq=1, ua="x" * MAX_REMEMBERED_BYTES))
    assert first.headers is not second.headers


def test_what_edges_write_is_decoded_as_columns_orphans_too() -> None:
    long = [click_json(seq=seq, ua="x" * MAX_REMEMBERED_BYTES, ip="2001:db8::1") for seq in (2, 3)]
    apps = [click_json(seq=seq, channel="app", source=seq, ts=seq) for seq in (4, 5)]
    values = [click_json(), *long, *apps, click_json(**ORPHAN)]
    assert in_columns(values) == list(map(decode, values))


def test_lots_are_decoded_one_after_the_other() -> None:
    values = [click_json(seq=seq, source=seq % 2 + 1) for seq in range(1, LOT + 3)]
    assert in_columns(values) == list(map(decode, values))
    assert in_columns([*values, b"{}"]) is None


def test_all_are_decoded_as_columns_or_none() -> None:
    good = click_json()
    assert in_columns([good, good]) == [decode(good)] * 2
    for other in (b"", b"{}", click_json(later=1), good.replace(b'"v":1', b'"v":2')):
        assert in_columns([good, other]) is None
        assert in_columns([other, good]) is None
