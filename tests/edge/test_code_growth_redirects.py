"""Redirects go on, each right, while the buckets of their codes are split in two, again and again."""

import asyncio
from collections import Counter

from edge.code_layout import FULL_FIELDS, LAYOUT_KEY
from edge.codes import generate_many
from edge.links import EdgeLink
from tests.edge.conftest import Edge, Reply
from tests.fixtures.redis import RedisServer

CODES = 12_000
CONNECTIONS = 8


async def test_no_code_is_missed_while_buckets_are_split(edge: Edge, redis_server: RedisServer) -> None:
    redis_server.ask(b"SET %b 4" % LAYOUT_KEY)
    links = {number: f"https://example.com/{number}" for number in (1, 2)}
    for number, url in links.items():
        await edge.put(number, f"own{number}", EdgeLink(number, "tenant", f"own{number}", "", url.encode()))
    numbers = {code: 1 + at % 2 for at, code in enumerate(generate_many(CODES))}
    for number in links:
        await edge.store.claim_codes("", [code for code in numbers if numbers[code] == number], number)
    unasked = list(numbers)
    grown = asyncio.Event()
    answers: Counter[int] = Counter()
    while_growing = 0

    async def ask() -> None:
        nonlocal while_growing
        reader, writer = await edge.connect()
        while unasked:
            code = unasked.pop()
            writer.write(f"GET /{code} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            reply = await Reply.read(reader)
            answers[reply.status] += 1
            assert reply.location == links[numbers[code]]
            while_growing += not grown.is_set()
        writer.close()

    async def grow() -> None:
        while await edge.store.make_room() < CODES / FULL_FIELDS:
            pass
        grown.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(grow())
        for _ in range(CONNECTIONS):
            tasks.create_task(ask())
    assert answers == {302: CODES}
    assert while_growing > 100


async def test_codes_that_nobody_has_stay_unknown_while_buckets_are_split(
    edge: Edge, redis_server: RedisServer
) -> None:
    await edge.put(1, "own1", None, *generate_many(1_000))
    redis_server.ask(b"SET %b 4:8" % LAYOUT_KEY)
    assert {(await edge.get(f"/{code}")).status for code in generate_many(5)} == {404}
    await edge.store.make_room()
    assert {(await edge.get(f"/{code}")).status for code in generate_many(5)} == {404}
