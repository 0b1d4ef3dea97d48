"""What recipients get while Redis is slow, cut off, killed, or says what it should not."""

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest

from edge.bounds import BOUNDS
from edge.links import EdgeLink
from tests.edge.conftest import DESTINATION, Edge, Reply, running_edge, until, until_async
from tests.edge.redis_proxy import Proxy, behind_proxy
from tests.fixtures.redis import RedisServer
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN, stopwatch

pytestmark = RUN_AGAIN_IF_BROKEN


@pytest.fixture
def patience() -> None:
    """What is promised while Redis gives no answer is what is tested here."""


async def test_redis_killed_and_back(own_redis: RedisServer, tmp_path: Path) -> None:
    async with running_edge(own_redis.url, own_redis.url, tmp_path) as edge:
        await edge.put(1, "cached12", None, "Penhgyab")
        assert (await edge.get("/cached12")).status == 302
        own_redis.stop()

        for path in ("/Penhgyab", "/unknown1"):
            asked = stopwatch.start()
            reply = await edge.get(path)
            assert reply.status == 503
            assert reply.headers["Retry-After"] == "1"
            stopwatch.check(asked, 0.3)
        assert (await edge.get("/cached12")).status == 302, "cached codes go on"
        await until(lambda: edge.readiness is not None)

        own_redis.start()
        await until(lambda: edge.readiness is None, promised_s=2)
        assert (await edge.get("/cached12")).status == 302, "the new Redis is empty: cached codes go on"
        assert (await edge.get("/Penhgyab")).status == 503, "and no other is said not to be"
        assert len(edge.clicks()) == 3


async def test_redis_paused_is_noticed_and_survived(own_redis: RedisServer, tmp_path: Path) -> None:
    async with running_edge(own_redis.url, own_redis.url, tmp_path) as edge:
        await edge.put(1, "own12345", None, "Penhgyab")
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            asked = stopwatch.start()
            assert (await edge.get("/Penhgyab")).status == 503
            stopwatch.check(asked, 0.3)
            await until(lambda: edge.readiness is not None)
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        await until(lambda: edge.readiness is None, promised_s=2)
        assert (await edge.get("/Penhgyab")).status == 302


async def ask_unanswered(edge: Edge, proxy: Proxy) -> asyncio.Task[Reply]:
    """A request whose look-up has reached a Redis that doesn't answer."""
    await edge.put(1, "own12345")
    proxy.flowing.clear()
    asked = proxy.asked
    asking = asyncio.create_task(edge.get("/own12345"))
    await until(lambda: proxy.asked > asked)
    return asking


async def test_a_lookup_lost_with_its_connection_is_asked_again(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy):
        asking = await ask_unanswered(edge, proxy)
        proxy.cut()
        proxy.flowing.set()
        assert (await asking).status == 302


async def test_a_machine_that_stood_still_is_no_redis_that_does(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy):
        asking = await ask_unanswered(edge, proxy)
        proxy.flowing.set()
        time.sleep(2 * BOUNDS.deadline_s)  # noqa: ASYNC251 - the loop stands still, as in a paused process
        assert (await asking).status == 302


async def test_answers_keep_the_order_of_pipelined_requests(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy):
        for number, code in enumerate(("quick123", "slow1234"), 1):
            await edge.put(number, code, EdgeLink(number, "t", code, "", f"https://e.com/{code}".encode()))
        assert (await edge.get("/quick123")).status == 302
        proxy.flowing.clear()
        reader, writer = await edge.connect()
        asked = proxy.asked
        writer.write(b"GET /slow1234 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: proxy.asked > asked)
        writer.write(b"GET /quick123 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        writer.write(b"HEAD /quick123 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        proxy.flowing.set()
        replies = [await Reply.read(reader) for _ in range(3)]
        assert [reply.location[-8:] for reply in replies] == ["slow1234", "quick123", "quick123"]
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    "reply",
    [
        b"-ERR no\r\n",
        b":1\r\n",
        b"$3\r\nabc\r\n",
        b"+OK\r\n",
        b"*0\r\n",
        b"\x00\x01\r\n",
        b"$1\r\n1\r\n$1\r\n1\r\n",
    ],
)
async def test_at_the_first_doubt_the_connection_is_dropped(
    redis_server: RedisServer, tmp_path: Path, reply: bytes
) -> None:
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy):
        await edge.put(1, "own12345", None, "Penhgyab")
        pristine = proxy.tamper

        def tamper_once(data: bytes) -> bytes:
            if data != b"$1\r\n1\r\n":
                return data
            proxy.tamper = pristine
            return reply

        proxy.tamper = tamper_once
        reply_to_client = await edge.get("/Penhgyab")
        assert (reply_to_client.status, reply_to_client.headers.get("Location")) in {
            (302, DESTINATION.decode()),
            (503, None),
        }
        await until(lambda: edge.readiness is None, promised_s=2)
        assert (await edge.get("/own12345")).location == DESTINATION.decode()


async def test_a_connection_that_is_given_up_is_closed(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.server_lookups.CONNECT_TIMEOUT_S", 0.1)
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy):
        await edge.put(1, "own12345")
        pristine, proxy.tamper = proxy.tamper, lambda data: b"" if data.startswith(b":") else data
        asked = proxy.asked
        proxy.cut()
        await until(lambda: proxy.asked > asked + 5)  # the first questions of six connections
        assert len(proxy._writers) <= 4, "the one that is tried now, and perhaps the one before"
        proxy.tamper = pristine
        await until(lambda: edge.readiness is None)
        assert (await edge.get("/own12345")).status == 302


async def test_no_answer_carries_anothers_destination_whatever_breaks(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """Clients hang up at random, and the connection to Redis breaks at random, also within replies."""
    codes = [f"code{number:04}" for number in range(300)]
    chance = random.Random(1)
    answered = 0
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy):
        for number, code in enumerate(codes, 1):
            await edge.put(number, code, EdgeLink(number, "t", code, "", f"https://e.com/{code}".encode()))

        async def recipient() -> None:
            nonlocal answered
            reader, writer = await edge.connect()
            while answered < 2_000:
                code = chance.choice(codes)
                writer.write(f"GET /{code} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                if chance.random() < 0.1:
                    writer.transport.abort()
                    reader, writer = await edge.connect()
                    continue
                reply = await Reply.read(reader)
                assert reply.status in {302, 503}
                if reply.status == 503:
                    await asyncio.sleep(0.01)  # as a client that heeds Retry-After, only sooner
                    continue
                answered += 1
                assert reply.location == f"https://e.com/{code}"
            writer.close()

        async def breaker() -> None:
            while True:
                await asyncio.sleep(chance.uniform(0.005, 0.03))
                if chance.random() < 0.5:
                    proxy.cut()
                else:
                    proxy.cut_after_bytes = chance.randrange(1, 60)
                    await asyncio.sleep(0.005)
                    proxy.cut_after_bytes = None

        breaking = asyncio.create_task(breaker())
        async with asyncio.timeout(200):
            await asyncio.gather(*(recipient() for _ in range(40)))
        breaking.cancel()
        await asyncio.wait([breaking])
        proxy.cut_after_bytes = None

        async def is_back() -> bool:
            return (await edge.get(f"/{codes[0]}")).status == 302

        await until_async(is_back, promised_s=2)
        clicks = edge.clicks()
        assert len(clicks) >= answered, "every answered redirect is in the spool"
        assert {click["code"]: click["link"] for click in clicks}.items() <= {
            code: number for number, code in enumerate(codes, 1)
        }.items()


async def test_the_edge_starts_without_redis_and_gets_ready_when_it_comes(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    own_redis.stop()
    async with running_edge(own_redis.url, own_redis.url, tmp_path, await_ready=False) as edge:
        await until(lambda: edge.readiness not in {"not started", None})
        assert (await edge.get("/own12345")).status == 503
        own_redis.start()
        await until(lambda: edge.readiness is None, promised_s=2)
        assert (await edge.get("/own12345")).status == 503, "it is empty, and nobody said that it is new"
