"""Codes, link fields and where they stand in Redis."""

import collections
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.code_layout import FULL_FIELDS, CodeLayout
from edge.codes import (
    ALPHABET,
    CUSTOM,
    ID_BUCKETS,
    IMPORTED,
    SUFFIX,
    code_field,
    generate,
    generate_many,
    id_key,
    link_key,
)
from edge.links import EDGE_FIELDS, EdgeLink
from edge.request import parse_target

urls = st.from_regex(rb"https://example\.com/[!-~]{0,40}", fullmatch=True)
words = st.text(ALPHABET, max_size=12)
links = st.builds(
    EdgeLink,
    number=st.integers(1, 2**40),
    tenant=words,
    code=words,
    suffix=words,
    destination=urls,
    ios=st.none() | urls,
    android=st.none() | urls,
    expires_at_ms=st.none() | st.integers(0, 2**43),
    expired_url=st.none() | urls,
    forward_query=st.booleans(),
)


@pytest.mark.parametrize("length", [6, 7, 8])
def test_generated_codes_have_their_length_and_alphabet(length: int) -> None:
    codes = generate_many(1000, length)
    assert len(codes) == 1000
    assert all(len(code) == length and set(code) <= set(ALPHABET) for code in (*codes, generate(length)))


def test_nothing_asked_for_is_nothing_made() -> None:
    assert generate_many(0) == []


def test_each_character_is_as_likely_as_any_other() -> None:
    """100,000 draws of each on average: seven standard deviations are 2,200."""
    counts = collections.Counter("".join(generate_many(100_000 * 62 // 8)))
    assert set(counts) == set(ALPHABET)
    assert all(abs(count - 100_000) < 2200 for count in counts.values())


def test_a_hundred_thousand_codes_are_all_different() -> None:
    """By chance two of them are alike once in 40,000 runs."""
    assert len(set(generate_many(100_000))) == 100_000


@pytest.mark.parametrize("code", ["abcd", "Penhgy", "0000", "A" * 12])
def test_a_custom_code_of_4_to_12_letters_and_digits_is_taken(code: str) -> None:
    assert CUSTOM.match(code)


@pytest.mark.parametrize(
    "code",
    ["", "abc", "A" * 13, "abc-d", "abc d", "abcd\n", "äbcd", "１２３４", "abcd/", "%61bcd"],  # noqa: RUF001 - digits that are no ASCII
)
def test_any_other_custom_code_is_refused(code: str) -> None:
    assert not CUSTOM.match(code)


@pytest.mark.parametrize("code", ["a", "_", "-x", "Spring-Sale_26", "x" * 50])
def test_other_systems_codes_are_served(code: str) -> None:
    assert IMPORTED.match(code)
    assert parse_target(b"/cisco/" + code.encode() + b"?a=1") == (b"cisco/", code.encode(), b"a=1")


@pytest.mark.parametrize("code", ["", "x" * 51, "a.b", "a b", "a~b", "ä", "a\n"])
def test_no_other_code_is_served(code: str) -> None:
    assert not IMPORTED.match(code)
    assert parse_target(b"/" + code.encode()) is None


@pytest.mark.parametrize("suffix", ["cisco", "a", "a/b/c/d", "spring-sale_26", "x" * 32])
def test_a_suffix_of_up_to_four_segments_is_taken(suffix: str) -> None:
    assert SUFFIX.match(suffix)


@pytest.mark.parametrize(
    "suffix", ["", "/a", "a/", "a//b", "-a", "_a", "a/b/c/d/e", "x" * 33, "a.b", "..", "a\n", "a/-b"]
)
def test_any_other_suffix_is_refused(suffix: str) -> None:
    assert not SUFFIX.match(suffix)


def test_keys_are_where_the_layout_says() -> None:
    assert code_field(b"Penhgy", b"") == b"Penhgy"
    assert code_field(b"Penhgy", b".1") == b"Penhgy.1"
    assert CodeLayout(64).key(b"Penhgy") == b"code:%d" % (zlib.crc32(b"Penhgy") % 64)
    assert id_key(b"lnk_1") == b"id:%d" % (zlib.crc32(b"lnk_1") % ID_BUCKETS)
    assert link_key(7) == b"link:7"


def test_no_code_of_one_domain_is_the_field_of_another() -> None:
    """A code has no dot, so that code and tag can't run into each other."""
    assert not IMPORTED.match("abcd.1")
    assert "." not in ALPHABET


def test_codes_spread_evenly_over_the_buckets() -> None:
    """Hashes stay listpacks of at most 512 fields only if none gets far more than its share."""
    buckets = 4096
    counts = collections.Counter(
        zlib.crc32(code.encode()) % buckets for code in generate_many(FULL_FIELDS * buckets)
    )
    assert max(counts.values()) < 300


@given(links)
def test_a_link_is_the_same_after_redis(link: EdgeLink) -> None:
    fields = link.to_fields()
    assert set(fields) <= set(EDGE_FIELDS)
    assert EdgeLink.from_fields(link.number, fields) == link


def test_a_hash_without_destination_is_no_link() -> None:
    assert EdgeLink.from_fields(7, {}) is None
    assert EdgeLink.from_fields(7, {b"tenant": b"acme", b"document": b"{}"}) is None
