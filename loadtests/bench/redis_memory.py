"""Redis memory a code: as the link store leaves it, and by how full a bucket is."""

import asyncio
from typing import Final

from redis import Redis

from edge.codes import CODE_BUCKETS
from edge.contract import generate_many, open_link_store
from loadtests.bench.figures import Section, Target
from loadtests.minting import claim_codes

MOST_BYTES: Final = 18.0
LINK_NUMBER: Final = 1_000_000  # what a listpack keeps in 5 bytes; links up to 32,767 need 2 to 4
BILLION: Final = 1_000_000_000
_FILLED_TO: Final = (1, 4, 16, 32, 64, 128, 256, 512)
_CODES_A_SIZE: Final = 131_072
_BUCKETS_OF_A_BILLION: Final = 20


def used_bytes(url: str) -> int:
    """`used_memory`, without what client connections hold at the moment."""
    with Redis.from_url(url) as redis:
        memory = redis.info("memory")
    return int(memory["used_memory"]) - int(memory["mem_clients_normal"])


def measure_claimed(url: str, count: int, *, kept: int) -> tuple[float, list[str]]:
    """Claim `count` codes for one link in an otherwise empty Redis: bytes a code, and `kept` of them."""

    async def claim() -> tuple[float, list[str]]:
        store = open_link_store(url)
        await store.claim_codes("", ["warmingup"], LINK_NUMBER)  # what the first script leaves behind
        before_bytes = await asyncio.to_thread(used_bytes, url)
        sample = await claim_codes(store, count, LINK_NUMBER, kept=kept)
        await store.close()
        return (await asyncio.to_thread(used_bytes, url) - before_bytes) / count, sample

    return asyncio.run(claim())


def measure_filled(url: str, fields: int, buckets: int) -> float:
    """Bytes a code where `buckets` hashes hold `fields` codes each. Empties the Redis at `url`."""
    with Redis.from_url(url) as redis:
        redis.flushall()
        before_bytes = used_bytes(url)
        for bucket in range(buckets):
            codes = generate_many(fields)
            with redis.pipeline(transaction=False) as batch:
                for code in codes:
                    batch.hset(f"code:{bucket}", code, str(LINK_NUMBER))
                batch.execute()
        return (used_bytes(url) - before_bytes) / (fields * buckets)


def memory_section(claimed: dict[int, float], scratch_url: str) -> Section:
    """`claimed`: bytes a code by number of codes, as minted."""
    by_fill = {fields: measure_filled(scratch_url, fields, _CODES_A_SIZE // fields) for fields in _FILLED_TO}
    billion = measure_filled(scratch_url, BILLION // CODE_BUCKETS, _BUCKETS_OF_A_BILLION)
    rows = [(f"{count:,}", f"{count / CODE_BUCKETS:,.2f}", f"{cost:.1f}", "minted")
            for count, cost in claimed.items()]  # fmt: skip
    rows.append(
        (
            f"{BILLION:,}",
            f"{BILLION / CODE_BUCKETS:,.0f}",
            f"{billion:.1f}",
            f"extrapolated from {_BUCKETS_OF_A_BILLION} buckets as full as they would be",
        )
    )
    most_in_listpacks = CODE_BUCKETS * _FILLED_TO[-1]
    filled = ", ".join(f"{cost:.1f} at {fields}" for fields, cost in by_fill.items())
    return Section(
        "Redis memory",
        f"Growth of `used_memory` by codes of 8 characters, claimed through the link store into "
        f"{CODE_BUCKETS:,} buckets. The link's number is {LINK_NUMBER:,}; low ones need 3 bytes less.",
        ("codes", "codes a bucket", "bytes a code", ""),
        rows,
        [
            Target(f"Redis memory a code at {count:,} codes", cost, MOST_BYTES, unit="bytes")
            for count, cost in (*claimed.items(), (BILLION, billion))
        ],
        [
            f"Bytes a code by codes a bucket: {filled}.",
            f"A bucket is a listpack up to {_FILLED_TO[-1]} codes: good for {most_in_listpacks:,} in all.",
        ],
    )
