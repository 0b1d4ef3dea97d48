"""What Redis says comes in any pieces, and news of changes at any moment: it is taken in its order."""

import asyncio
import random
from dataclasses import replace
from pathlib import Path

from redis.asyncio import Redis

from edge.code_layout import CodeLayout
from edge.contract import EdgeLink
from edge.lane_handler import LaneHandler
from edge.redis_address import RedisAddress
from tests.edge.conftest import DEADLINE_S, DESTINATION, Edge, Reply, until
from tests.edge.redis_proxy import Proxy, behind_proxy
from tests.edge.streams import PLAIN
from tests.edge.test_lane import Side
from tests.edge.test_lookup_batches import LANDED, destination, hang_up
from tests.edge.test_lookup_batches import put_links as put_numbered_links
from tests.edge.test_stalled import connect
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


async def test_replies_to_one_write_that_break_off_anywhere_are_each_codes_own(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """Codes of different links, asked for as one; their replies come as two, cut at each byte."""
    links, cuts = range(1, 10), range(1, 63)
    proxy = Proxy(redis_server.socket_path)
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", proxy.port)
    async with Redis.from_url(redis_server.url) as redis:
        await put_numbered_links(redis, len(links))
        for cut in cuts:
            for number in links:
                await redis.hset(CodeLayout().key(code := b"cut%02dn%d" % (cut, number)), code, number)
    side = Side(RedisAddress.parse(proxy.url), tmp_path, LaneHandler)
    await side.ready()
    sizes: list[int] = []
    proxy.piece_bytes = lambda: sizes.pop() if sizes else 4_096
    for cut in cuts:
        connected = [await connect(side) for _ in links]
        sizes.append(cut)
        for number, (connection, _) in zip(links, connected, strict=True):
            connection.data_received(PLAIN.replace(b"Penhgyab", b"cut%02dn%d" % (cut, number)))
        await until(lambda connected=connected: all(wire.written for _, wire in connected))  # type: ignore[misc] # bound now
        for number, (_, wire) in zip(links, connected, strict=True):
            assert wire.written.startswith(LANDED % destination(number)), (cut, number)
        await hang_up([wire for _, wire in connected])
    await side.close()
    listener.close()


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
