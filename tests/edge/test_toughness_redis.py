"""Redis paused, slow, resetting and failed over: cached codes go on, others 503 in time, never a 404."""

import asyncio
import os
import re
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.edge.conftest import Edge, running_edge, until, until_async
from tests.edge.length import length
from tests.edge.redis_proxy import behind_proxy
from tests.fixtures.redis import RedisServer
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN, stopwatch

pytestmark = RUN_AGAIN_IF_BROKEN

ANSWER_WITHIN_S = 0.3
BACK_WITHIN_S = 2.0
PAUSE_S = length(3, 10)


@pytest.fixture
def patience() -> None:
    """What is promised while Redis gives no answer is what is tested here."""


class Watched:
    """An edge with a cached code, 2,000 that are not, and the account of what it answered to them."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.statuses: Counter[int] = Counter()
        self._codes = iter([])

    async def put(self) -> None:
        codes = [f"recip{number:04}" for number in range(2_000)]
        await self.edge.put(1, "cached12", None, *codes)
        assert await self.ask("/cached12") == 302
        self._codes = iter(codes)

    async def ask(self, path: str) -> int:
        begun = stopwatch.start()
        status = (await self.edge.get(path)).status
        stopwatch.check(begun, ANSWER_WITHIN_S)
        return status

    async def ask_fresh(self) -> int:
        """Ask for a code that was never asked for, and for the cached one."""
        status = await self.ask(f"/{next(self._codes)}")
        self.statuses[status] += 1
        assert await self.ask("/cached12") == 302, "cached codes go on"
        return status

    async def is_back(self) -> bool:
        return await self.ask_fresh() == 302

    def check(self) -> None:
        assert self.statuses.keys() <= {302, 503}, self.statuses


@asynccontextmanager
async def watched(edge: Edge) -> AsyncIterator[Watched]:
    watching = Watched(edge)
    await watching.put()
    yield watching
    await until_async(watching.is_back, promised_s=BACK_WITHIN_S)
    watching.check()


async def test_paused(own_redis: RedisServer, tmp_path: Path) -> None:
    async with running_edge(own_redis.url, own_redis.url, tmp_path) as edge, watched(edge) as watching:
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            loop = asyncio.get_running_loop()
            paused_at = loop.time()
            while loop.time() - paused_at < PAUSE_S:
                assert await watching.ask_fresh() == 503
                await asyncio.sleep(0.02)  # the pace of the recipients
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)


async def test_slow_by_200_ms(redis_server: RedisServer, tmp_path: Path) -> None:
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy), watched(edge) as watching:
        proxy.delay_s = 0.2
        for _ in range(10):
            await watching.ask_fresh()
        assert watching.statuses[302] > 0, "with the link cached, one round trip is all it takes"
        proxy.cut()
        await until(lambda: edge.readiness is not None)
        await until(lambda: edge.readiness is None, promised_s=BACK_WITHIN_S)
        proxy.delay_s = 0


async def test_resetting_every_100_commands(redis_server: RedisServer, tmp_path: Path) -> None:
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy), watched(edge) as watching:
        proxy.cut_every = 100
        for _ in range(100):
            await asyncio.gather(*(watching.ask_fresh() for _ in range(10)))
        proxy.cut_every = None
        assert watching.statuses[302] > 500, "most look-ups that are lost are asked again in time"


async def test_replaced_by_an_empty_one(own_redis: RedisServer, tmp_path: Path) -> None:
    async with running_edge(own_redis.url, own_redis.url, tmp_path) as edge, watched(edge) as watching:
        own_redis.stop()
        own_redis.start()
        for _ in range(50):
            assert await watching.ask_fresh() == 503
            await asyncio.sleep(0.02)  # the pace of the recipients
        await edge.put(1, "cached12", None, *(f"recip{number:04}" for number in range(2_000)))
        await edge.store.mark_whole(1)


@pytest.fixture
def replica(own_redis: RedisServer) -> "AsyncIterator[RedisServer]":
    with tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp") as folder:  # sockets need short paths
        server = RedisServer(Path(folder))
        server.start()
        own_redis.ask(b"CONFIG SET repl-diskless-sync-delay 0")  # else it waits 5 s for more replicas
        server.ask(b"REPLICAOF 127.0.0.1 %d" % own_redis.port)
        yield server
        server.stop()


def _has_all(primary: RedisServer) -> bool:
    """Whether the replica has acknowledged every write; WAIT would speak of its own connection's alone."""
    state = primary.ask(b"INFO replication")
    written, acknowledged = (
        re.search(rb"master_repl_offset:(\d+)", state),
        re.search(rb",offset=(\d+)", state),
    )
    return None not in {written, acknowledged} and written[1] == acknowledged[1]  # type: ignore[index] # not None


async def test_failed_over(own_redis: RedisServer, replica: RedisServer, tmp_path: Path) -> None:
    async with behind_proxy(own_redis, tmp_path) as (edge, proxy), watched(edge) as watching:
        await until(lambda: _has_all(own_redis))
        own_redis.stop()
        for _ in range(20):
            await watching.ask_fresh()
        assert replica.ask(b"REPLICAOF NO ONE") == b"+OK\r\n"
        proxy.target = replica.socket_path
