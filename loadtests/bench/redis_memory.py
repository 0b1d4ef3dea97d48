"""Redis memory a code: as the link store leaves it, and by how full a bucket is."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from redis import Redis

from edge.code_layout import FULL_FIELDS, CodeLayout
from edge.contract import generate_many, open_link_store
from loadtests.bench.figures import Section, Target
from loadtests.minting import claim_codes, make_room

MOST_BYTES: Final = 18.0
LINK_NUMBER: Final = 1_000_000  # what a listpack keeps in 5 bytes; links up to 32,767 need 2 to 4
BILLION: Final = 1_000_000_000
SETTLING_S: Final = 0.3  # Redis looks after its clients' buffers ten times a second
_FILLED_TO: Final = (1, 4, 16, 32, 64, 128, 256, 512)
_CODES_A_SIZE: Final = 131_072


@dataclass(frozen=True, slots=True)
class Claimed:
    """So many codes in so many buckets, and what of memory each takes."""

    codes: int
    buckets: int
    bytes_a_code: float


def used_bytes(url: str) -> int:
    """`used_memory` once no client but this one is connected, and it stands still."""
    with Redis.from_url(url) as redis:
        before, after = -1, 0
        while after != before or redis.info("clients")["connected_clients"] > 1:
            before = after
            time.sleep(SETTLING_S)
            after = int(redis.info("memory")["used_memory"])
    return after


def measure_claimed(url: str, count: int, *, kept: int) -> tuple[Claimed, list[str]]:
    """Claim `count` codes for one link in an otherwise empty Redis; `kept` of them are returned too."""

    async def claim(codes: int) -> tuple[int, list[str]]:
        store = open_link_store(url)
        sample = await claim_codes(store, codes, LINK_NUMBER, kept=kept)
        buckets = await make_room(store)
        await store.close()
        return buckets, sample

    asyncio.run(claim(1))  # scripts and connections leave something behind, once
    before_bytes = used_bytes(url)
    buckets, sample = asyncio.run(claim(count))
    return Claimed(count, buckets, (used_bytes(url) - before_bytes) / count), sample


def buckets_for(codes: int) -> int:
    """In how many buckets the link store would spread so many codes."""
    layout = CodeLayout()
    while codes / layout.buckets >= FULL_FIELDS:
        layout = layout.begin_split().end_split()
    return layout.buckets


def measure_filled(url: str, fields: int, buckets: int) -> float:
    """Bytes a code where `buckets` hashes hold `fields` codes each. Empties the Redis at `url`."""
    with Redis.from_url(url) as redis:
        redis.flushall()
    before_bytes = used_bytes(url)  # with nobody else connected
    with Redis.from_url(url) as redis:
        for bucket in range(buckets):
            with redis.pipeline(transaction=False) as batch:
                for code in generate_many(fields):
                    batch.hset(f"code:{bucket}", code, str(LINK_NUMBER))
                batch.execute()
    return (used_bytes(url) - before_bytes) / (fields * buckets)


def memory_section(claimed: list[Claimed], scratch_url: str) -> Section:
    """Of what was claimed, of a billion codes, and of buckets by how full they are."""
    by_fill = {fields: measure_filled(scratch_url, fields, _CODES_A_SIZE // fields) for fields in _FILLED_TO}
    buckets = buckets_for(BILLION)
    fields = BILLION // buckets
    billion = Claimed(BILLION, buckets, measure_filled(scratch_url, fields, _CODES_A_SIZE // fields))
    rows = [
        (
            f"{each.codes:,}",
            f"{each.buckets:,}",
            f"{each.codes / each.buckets:,.2f}",
            f"{each.bytes_a_code:.1f}",
            "minted" if each is not billion else f"from {_CODES_A_SIZE // fields:,} as full ones",
        )
        for each in (*claimed, billion)
    ]
    filled = ", ".join(f"{cost:.1f} at {fields}" for fields, cost in by_fill.items())
    return Section(
        "Redis memory",
        "Growth of `used_memory` by codes of 8 characters, claimed through the link store for link number "
        f"{LINK_NUMBER:,}; low numbers need 3 bytes less.",
        ("codes", "buckets", "codes a bucket", "bytes a code", ""),
        rows,
        [
            Target(
                f"Redis memory a code at {each.codes:,} codes", each.bytes_a_code, MOST_BYTES, unit="bytes"
            )
            for each in (*claimed, billion)
        ],
        [f"Bytes a code by codes a bucket: {filled}."],
    )
