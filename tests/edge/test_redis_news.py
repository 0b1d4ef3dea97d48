"""What Redis says comes in any pieces, and news of changes at any moment: it is taken in its order."""

import asyncio
import random
from dataclasses import replace
from pathlib import Path

from edge.contract import EdgeLink
from tests.edge.conftest import DEADLINE_S, DESTINATION, Edge, Reply, until
from tests.edge.redis_proxy import behind_proxy
from tests.fixtures.redis import RedisServer

NEW = b"https://example.com/new"
LINKS = 200


async def put_links(edge: Edge) -> list[str]:
    codes = [f"code{number:04}" for number in range(1, LINKS + 1)]
    for number, code in enumerate(codes, 1):
        await edge.put(number, code, EdgeLink(number, "t", code, "", f"https://e.com/{code}".encode()))
    return codes


async def ask_each(edge: Edge, codes: list[str], clients: int = 20) -> None:
    """Ask for each code, by many clients at once; each gets its own destination."""
    left = list(codes)

    async def client() -> None:
        reader, writer = await edge.connect()
        while left:
            code = left.pop()
            writer.write(f"GET /{code} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            reply = await Reply.read(reader)
            if reply.status == 503:  # where the machine takes so long that Redis passes for silent
                left.append(code)
            else:
                assert (reply.status, reply.location) == (302, f"https://e.com/{code}")
        writer.close()

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as asking:
        for _ in range(clients):
            asking.create_task(client())


async def test_replies_and_news_in_pieces_are_each_codes_own(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    chance = random.Random(5)
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy):
        codes = await put_links(edge)
        proxy.piece_bytes = lambda: chance.choice((1, 2, 3, 7, 40, 200))
        asking = asyncio.create_task(ask_each(edge, codes))
        for number in range(1, 31):  # news of links come between the replies
            code = codes[number - 1]
            link = EdgeLink(number, "t2", code, "", f"https://e.com/{code}".encode())
            await edge.store.put_link(f"lnk_{number}", number, link, b"{}", version=2)
        await asking
        await ask_each(edge, codes)


async def test_replies_in_lots_that_end_anywhere_are_each_codes_own(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """Many replies are held back, and come as two: the first breaks off at each byte of a few replies."""
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy):
        codes = await put_links(edge)
        personal = [[f"pers{at:02}{number:02}" for number in range(10)] for at in range(40)]
        await edge.store.claim_codes("", [code for lot in personal for code in lot], 1)
        await ask_each(edge, codes[:1])
        sizes: list[int] = []
        proxy.piece_bytes = lambda: sizes.pop() if sizes else 4_096
        for at, lot in enumerate(personal):
            sizes.append(at + 1)
            replies = await asyncio.gather(*(edge.get(f"/{code}") for code in lot))
            assert {reply.location for reply in replies} == {f"https://e.com/{codes[0]}"}


async def test_news_in_one_packet_behind_a_reply_is_of_what_that_told(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """Else the link would stand in the cache as it was, for ever."""
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy):
        link = await edge.put(1, "own12345")
        pristine, held = proxy.tamper, b""

        def hold_until_news(data: bytes) -> bytes:
            nonlocal held
            if not held and DESTINATION not in data:
                return data
            held += data
            if b"invalidate" not in held:
                return b""
            proxy.tamper = pristine
            return held

        proxy.tamper = hold_until_news
        asking = asyncio.create_task(edge.get("/own12345"))
        await until(lambda: held != b"")
        await edge.store.put_link("lnk_1", 1, replace(link, destination=NEW), b"{}", version=2)
        assert (await asking).status == 302
        assert (await edge.get("/own12345")).location == NEW.decode()


async def test_what_changed_while_no_connection_stood_is_seen_with_the_next_one(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy):
        link = await edge.put(1, "own12345", None, "personal", "another1")
        for path in ("/own12345", "/personal", "/another1"):
            assert (await edge.get(path)).location == DESTINATION.decode()
        proxy.target = tmp_path / "nowhere"
        proxy.cut()
        await until(lambda: edge.readiness is not None)
        await edge.store.put_link("lnk_1", 1, replace(link, destination=NEW), b"{}", version=2)
        await edge.store.release_codes("", ["personal"])
        assert (await edge.get("/personal")).location == DESTINATION.decode(), "what is cached goes on"
        proxy.target = redis_server.socket_path
        await until(lambda: edge.readiness is None)
        assert (await edge.get("/own12345")).location == NEW.decode()
        assert (await edge.get("/another1")).location == NEW.decode()
        assert (await edge.get("/personal")).status == 404
