"""Buckets of codes are split in two while codes are claimed, looked up and released: none is ever missed."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from edge.code_layout import FULL_FIELDS, LAYOUT_KEY, CodeLayout
from edge.codes import generate_many
from edge.linkstore import LinkStore
from edge.redis_link_store import open_link_store
from tests.fixtures.redis import RedisServer

CODES = 6_000
FEW_BUCKETS = b"4"


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[LinkStore]:
    redis_server.ask(b"SET %b %b" % (LAYOUT_KEY, FEW_BUCKETS))
    store = open_link_store(redis_server.url)
    yield store
    await store.close()


async def grow(store: LinkStore) -> int:
    """Make room until there is enough; the number of buckets."""
    before, after = 0, await store.make_room()
    while after != before:
        before, after = after, await store.make_room()
    return after


async def test_every_code_is_found_before_while_and_after_buckets_are_split(
    store: LinkStore, redis_server: RedisServer
) -> None:
    codes = generate_many(CODES)
    assert await store.claim_codes("", codes, 7) == [7] * CODES
    done = asyncio.Event()
    looked_up = 0

    async def look_up() -> None:
        nonlocal looked_up
        for code in itertools.cycle(codes):
            assert await store.resolve("", code) == 7
            looked_up += 1
            if done.is_set():
                return

    async def claim_again_and_anew() -> list[str]:
        fresh: list[str] = []
        while not done.is_set():
            assert await store.claim_codes("", codes[:50], 8) == [7] * 50, "a code has one holder for ever"
            more = generate_many(50)
            assert await store.claim_codes("", more, 9) == [9] * 50
            fresh += more
        return fresh

    tasks = [asyncio.create_task(look_up()) for _ in range(4)]
    claiming = asyncio.create_task(claim_again_and_anew())
    buckets = await grow(store)
    done.set()
    fresh = await claiming
    await asyncio.gather(*tasks)
    assert buckets >= CODES / FULL_FIELDS
    assert redis_server.ask(b"GET " + LAYOUT_KEY) == b"$%d\r\n%d\r\n" % (len(str(buckets)), buckets)
    assert looked_up
    assert [await store.resolve("", code) for code in codes] == [7] * CODES
    assert [await store.resolve("", code) for code in fresh] == [9] * len(fresh)


async def test_buckets_are_listpacks_again_after_they_were_split(
    store: LinkStore, redis_server: RedisServer
) -> None:
    codes = generate_many(CODES)
    await store.claim_codes("", codes, 7)
    assert b"hashtable" in redis_server.ask(b"OBJECT ENCODING code:0")
    buckets = await grow(store)
    kinds = {redis_server.ask(b"OBJECT ENCODING code:%d" % number) for number in range(buckets)}
    assert not any(b"hashtable" in kind for kind in kinds), kinds


async def test_buckets_far_too_full_are_split_as_well(store: LinkStore, redis_server: RedisServer) -> None:
    """However long nobody made room: each step stays within the store's own deadline."""
    redis_server.ask(b"SET %b 1" % LAYOUT_KEY)
    codes = generate_many(200_000)
    await store.claim_codes("", codes, 7)
    assert await grow(store) >= len(codes) / FULL_FIELDS
    assert await store.claim_codes("", codes, 8) == [7] * len(codes)


async def test_a_split_that_was_left_half_way_is_ended(store: LinkStore, redis_server: RedisServer) -> None:
    codes = generate_many(1_000)
    await store.claim_codes("", codes, 7)
    redis_server.ask(b"SET %b 4:8" % LAYOUT_KEY)  # as a killed predecessor leaves it
    assert [await store.resolve("", code) for code in codes] == [7] * len(codes)
    assert await store.claim_codes("", codes, 8) == [7] * len(codes)
    assert await store.make_room() == 8
    assert [await store.resolve("", code) for code in codes] == [7] * len(codes)


async def test_released_codes_are_gone_wherever_they_stood(
    store: LinkStore, redis_server: RedisServer
) -> None:
    codes = generate_many(1_000)
    await store.claim_codes("", codes, 7)
    redis_server.ask(b"SET %b 4:8" % LAYOUT_KEY)
    more = generate_many(100)
    await store.claim_codes("", more, 7)
    await store.release_codes("", codes[:500] + more)
    await store.make_room()
    assert [await store.resolve("", code) for code in codes[:500] + more] == [None] * 600
    assert [await store.resolve("", code) for code in codes[500:]] == [7] * 500


async def test_room_enough_changes_nothing(store: LinkStore) -> None:
    await store.claim_codes("", generate_many(100), 7)
    assert await store.make_room() == 4


@pytest.mark.parametrize("layout", [CodeLayout(), CodeLayout(64), CodeLayout(64, is_splitting=True)])
def test_a_layout_is_the_same_after_redis(layout: CodeLayout) -> None:
    assert CodeLayout.from_bytes(layout.to_bytes()) == layout


@pytest.mark.parametrize("value", [b"", b"x", b"0", b"-4", b"4:9", b"4:", b"4:8:16", b" 4"])
def test_what_is_no_layout_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"layout|literal"):
        CodeLayout.from_bytes(value)


def test_half_of_the_fields_stay_where_they_are() -> None:
    layout = CodeLayout(64, is_splitting=True)
    fields = [code.encode() for code in generate_many(4_000)]
    for field in fields:
        old, new = layout.keys(field)
        assert old == CodeLayout(64).keys(field)[0]
        assert new == CodeLayout(128).keys(field)[0]
    moving = sum(old != new for old, new in map(layout.keys, fields))
    assert 1_700 < moving < 2_300
