"""The edge's processes killed, restarted and leant upon, under load over real sockets."""

import asyncio
import gc
import itertools
import json
import resource
import socket
import statistics
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.edge.conftest import Reply, until, until_async
from tests.edge.length import IS_LONG, length, report
from tests.edge.test_processes import EdgeProgram, running
from tests.fixtures.redis import RedisServer
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN, check_promise, stood_in_line_s, stopwatch

pytestmark = [RUN_AGAIN_IF_BROKEN, pytest.mark.drill, pytest.mark.timeout(900)]

KILLS = length(5, 50)
TRICKLING, IDLE, DEAF = length(500, 5_000), length(500, 5_000), length(100, 1_000)
OTHER_FILES = 400
BACK_WITHIN_S = 2.0


class Load:
    """Clients that click without end; a click is known by its `Referer`, new for each."""

    def __init__(self, port: int, *, keep_alive: bool = True, pace_s: float = 0.002) -> None:
        self.port = port
        self.answered: list[str] = []
        self.failed: list[tuple[float, str]] = []
        self.took_s: list[float] = []
        self._keep_alive = keep_alive
        self._pace_s = pace_s
        self._tags = itertools.count()
        self._stop = asyncio.Event()

    async def run(self, clients: int) -> None:
        await asyncio.gather(*(self._client() for _ in range(clients)))

    def stop(self) -> None:
        self._stop.set()

    async def _client(self) -> None:
        while not self._stop.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    await self._click(reader, writer)
                    while self._keep_alive and not self._stop.is_set():
                        if not await self._click(reader, writer):
                            break
                finally:
                    writer.close()
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failed.append((time.monotonic(), repr(error)))

    async def _click(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Click once; whether the connection goes on."""
        tag = f"https://tag.example.com/{next(self._tags)}"
        begun = time.perf_counter()
        writer.write(f"GET /own12345 HTTP/1.1\r\nHost: localhost\r\nReferer: {tag}\r\n\r\n".encode())
        reply = await Reply.read(reader)
        self.took_s.append(time.perf_counter() - begun)
        assert reply.status == 302
        self.answered.append(tag)
        await asyncio.sleep(self._pace_s)
        return "Connection" not in reply.headers


def spooled_tags(program: EdgeProgram) -> Counter[str]:
    lines = (line for log in program.spool.glob("*/*.log") for line in log.read_bytes().splitlines())
    return Counter(json.loads(line[9:])["referer"] for line in lines)


def test_killed_workers_lose_nothing_while_others_serve(redis_server: RedisServer, tmp_path: Path) -> None:
    slowest_s = 0.0

    async def drill(program: EdgeProgram) -> Load:
        nonlocal slowest_s
        load = Load(program.port)
        loading = asyncio.create_task(load.run(16))
        for _ in range(KILLS):
            answered = len(load.answered)
            await until(lambda answered=answered: len(load.answered) > answered + 50)
            victim = program.workers()[0]
            victim.kill()
            killed_at, answered = stopwatch.start(), len(load.answered)
            await asyncio.to_thread(victim.wait, 180)
            await until(lambda answered=answered: len(load.answered) > answered + 20)

            async def is_back() -> bool:
                return len(program.workers()) == 2 and await asyncio.to_thread(program.is_ready)

            await until_async(is_back)
            successor = max(program.workers(), key=lambda worker: worker.create_time())
            slowest_s = max(slowest_s, stopwatch.elapsed_s(killed_at) - stood_in_line_s(successor))
        load.stop()
        await loading
        return load

    with running(redis_server, tmp_path, workers=2) as program:
        load = asyncio.run(drill(program))
        spooled = spooled_tags(program)
    assert not set(load.answered) - spooled.keys(), "every answered redirect is in the spool"
    assert max(spooled.values()) == 1, "and once"
    report(f"{KILLS} kills, {len(load.answered)} answered, slowest back after {slowest_s:.2f} s")
    check_promise(slowest_s, BACK_WITHIN_S)


def test_a_restart_under_load_drops_no_request(redis_server: RedisServer, tmp_path: Path) -> None:
    """A new edge is started on the same port, then the old one is told to stop."""

    async def drill(old: EdgeProgram) -> tuple[Load, Load]:
        kept, fresh = Load(old.port), Load(old.port, keep_alive=False)
        loading = asyncio.gather(kept.run(8), fresh.run(8))
        for number in range(1, length(4, 30)):
            new = EdgeProgram(redis_server.url, tmp_path / str(number), 2, port=old.port)
            replacements.append(new)
            await until_async(lambda new=new: asyncio.to_thread(new.is_ready))
            old.process.terminate()
            assert await asyncio.to_thread(old.process.wait, 180) == 0
            old = new
        kept.stop()
        fresh.stop()
        await loading
        return kept, fresh

    replacements: list[EdgeProgram] = []
    with running(redis_server, tmp_path / "0", workers=2) as first:
        try:
            kept, fresh = asyncio.run(drill(first))
        finally:
            for program in replacements:
                program.process.terminate()
                program.process.wait(180)
    report(f"{len(kept.answered)} answered on kept connections, {len(fresh.answered)} on fresh ones")
    assert kept.failed == []
    assert fresh.failed == []


def test_slow_clients_are_closed_and_slow_nobody_down(redis_server: RedisServer, tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    share = min(1.0, (hard - OTHER_FILES) / (TRICKLING + IDLE + DEAF))  # fewer where few files may be open
    assert share == 1 or not IS_LONG, "raise the limit of open files (ulimit -Hn) for this drill"
    trickle, idles, deafs = (round(share * number) for number in (TRICKLING, IDLE, DEAF))
    connections = trickle + idles + deafs

    async def drill(program: EdgeProgram) -> None:
        [worker] = program.workers()
        quiet = await measure(program.port)
        memory_before = worker.memory_info().rss
        trickling = [await open_slow(program.port, b"G") for _ in range(trickle)]
        idle = [await open_slow(program.port, b"") for _ in range(idles)]
        flood = b"GET /own12345 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5_000
        deaf = [await open_slow(program.port, flood) for _ in range(deafs)]
        grown = worker.memory_info().rss - memory_before
        # What the deaf ones had sent at once is answered until their buffers are full; that is load, not
        # waiting, so the recipients' latency is taken after it.
        await settled(worker)
        busy = await measure(program.port)
        grown = max(grown, worker.memory_info().rss - memory_before)
        begun = time.monotonic()
        await until_async(lambda: asyncio.to_thread(has_closed, worker, idles, trickle + deafs))
        report(
            f"{connections} slow clients: p99 {busy * 1e3:.2f} ms beside {quiet * 1e3:.2f} ms before, "
            f"{grown / connections / 1024:.1f} KiB each, closed {time.monotonic() - begun:.1f} s later"
        )
        assert not any(each.is_lost for each in idle), "keep-alive lets them wait for longer"
        for each in (*trickling, *idle, *deaf):
            each.transport.abort()
        assert grown < connections * 64 * 1024
        if IS_LONG:
            assert busy <= 1.2 * quiet

    with running(redis_server, tmp_path) as program:
        asyncio.run(drill(program))
        assert program.status() == 302


class Slow(asyncio.Protocol):
    """A client that sends a byte now and then, or nothing, and reads nothing."""

    def __init__(self) -> None:
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


async def open_slow(port: int, first: bytes) -> Slow:
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.setblocking(False)  # noqa: FBT003 - its name is all there is
    await loop.sock_connect(connection, ("127.0.0.1", port))
    transport, slow = await loop.create_connection(Slow, sock=connection)
    transport.write(first)
    if len(first) > 1:
        transport.pause_reading()
    return slow


def has_closed(worker: psutil.Process, idle: int, slow: int) -> bool:
    """Whether the worker holds the idle ones only. Whoever does not read does not see it closed."""
    return len(worker.net_connections("tcp")) < idle + slow / 10


async def settled(process: psutil.Process) -> None:
    """Wait until the process has nothing to do."""

    async def is_idle() -> bool:
        before = sum(process.cpu_times()[:2])
        await asyncio.sleep(0.3)
        return sum(process.cpu_times()[:2]) - before < 0.05

    await until_async(is_idle)


async def measure(port: int) -> float:
    """The 99th percentile of good traffic's latency over two seconds, in seconds."""
    gc.freeze()  # this side holds as many connections as the edge, and must not stop to look through them
    load = Load(port)
    loading = asyncio.create_task(load.run(8))
    await asyncio.sleep(2)
    load.stop()
    await loading
    return statistics.quantiles(load.took_s, n=100)[98]
