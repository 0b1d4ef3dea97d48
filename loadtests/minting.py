"""Links and codes for a measurement, written through the same link store that the api uses."""

import asyncio
import random
from typing import Final

from edge.contract import EdgeLink, LinkStore, generate_many, open_link_store
from loadtests.neighbours import DESTINATION

_AT_ONCE: Final = 8
_BATCH: Final = 10_000


async def put_link(store: LinkStore, number: int) -> None:
    """A link with a route for iOS, under a code of its own."""
    destination = DESTINATION.encode()
    code = f"own{number:05d}"
    link = EdgeLink(number, "bench", code, "", destination, ios=destination + b"&os=ios")
    await store.put_link(f"lnk_{number}", number, link, b"{}")
    await store.claim_codes("", [code], number)
    await store.mark_whole(number)


async def claim_codes(store: LinkStore, count: int, number: int, *, kept: int) -> list[str]:
    """Claim `count` personal codes of 8 characters for link `number`; some `kept` of them, drawn evenly.

    The buckets grow along.
    """
    sample: list[str] = []

    async def claim(codes: list[str]) -> None:
        await store.claim_codes("", codes, number)
        sample.extend(random.sample(codes, min(len(codes), -(-kept * len(codes) // count))))

    for start in range(0, count, _BATCH * _AT_ONCE):
        starts = range(start, min(start + _BATCH * _AT_ONCE, count), _BATCH)
        await asyncio.gather(*(claim(generate_many(min(_BATCH, count - each))) for each in starts))
        await make_room(store)
    random.shuffle(sample)
    return sample


async def make_room(store: LinkStore) -> int:
    """Let the buckets grow as far as they would; their number."""
    before, after = 0, await store.make_room()
    while after > before:
        before, after = after, await store.make_room()
    return after


async def mint_links(store: LinkStore, links: int, codes_each: int) -> list[str]:
    """So many links with so many codes each; all codes, in random order."""
    codes: list[str] = []

    async def mint(number: int) -> None:
        await put_link(store, number)
        personal = generate_many(codes_each)
        await store.claim_codes("", personal, number)
        codes.extend(personal)

    for start in range(1, links + 1, _AT_ONCE):
        await asyncio.gather(*(mint(number) for number in range(start, min(start + _AT_ONCE, links + 1))))
    random.shuffle(codes)
    return codes


def put_links(number: int, *urls: str) -> None:
    """Link `number` in the Redis at each of these URLs."""

    async def put() -> None:
        for url in urls:
            store = open_link_store(url)
            await put_link(store, number)
            await store.close()

    asyncio.run(put())


def mint_campaign(url: str, count: int) -> list[str]:
    """Link 1 with `count` personal codes; the codes."""

    async def mint() -> list[str]:
        store = open_link_store(url)
        await put_link(store, 1)
        codes = await claim_codes(store, count, 1, kept=count)
        await store.close()
        return codes

    return asyncio.run(mint())
