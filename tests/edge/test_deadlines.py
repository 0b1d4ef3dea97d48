"""When connections are closed: each stall has a deadline of its own, and keep-alive ends who asks nothing."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from edge.lane import KEEP_ALIVE_S
from edge.lane_handler import STALL_S, LaneHandler
from edge.redis_address import RedisAddress
from tests.edge.conftest import Edge, Reply, until
from tests.edge.streams import PLAIN
from tests.edge.test_lane import Side, Wire
from tests.edge.test_stalled import connect
from tests.fixtures.redis import RedisServer

UNUSUAL = PLAIN[:-2] + b"TE: trailers\r\n\r\n"  # the lane leaves it, and all that follows, to aiohttp
Turn = Callable[[float], Awaitable[None]]


@pytest.fixture
async def side(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Side]:
    redis_server.ask(b"SET links 0")  # it is whole: what it has not is nowhere
    opened = Side(RedisAddress.parse(redis_server.url), tmp_path, LaneHandler)
    await opened.ready()
    yield opened
    await opened.close()


@pytest.fixture
async def turn(side: Side, monkeypatch: pytest.MonkeyPatch) -> Turn:
    """Turns the loop's clock forward by so many seconds, with a look at all connections each second."""
    loop = asyncio.get_running_loop()
    real, ahead_s = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: real() + ahead_s)

    async def turn_by(seconds: float) -> None:
        nonlocal ahead_s
        end = ahead_s + seconds
        while ahead_s < end:
            ahead_s = min(end, ahead_s + 1)
            await side.lane.sweep(loop.time())
            for _ in range(3):  # what is due is called, and closes, and is told of it
                await asyncio.sleep(0)

    return turn_by


async def ask(connection: LaneHandler, wire: Wire, request: bytes) -> None:
    """Send a request, and wait until it is answered."""
    answered = len(wire.written)
    connection.data_received(request)
    await until(lambda: len(wire.written) > answered and connection.is_idle)


async def hang_up(wire: Wire) -> None:
    wire.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize("first", [PLAIN, UNUSUAL], ids=["the lane", "aiohttp"])
async def test_half_a_head_behind_an_answer_is_closed_at_its_deadline(side: Side, first: bytes) -> None:
    connection, wire = await connect(side)
    await ask(connection, wire, first)
    await side.lane.sweep(1.0)
    connection.data_received(PLAIN[:9])
    await side.lane.sweep(2.0)
    await side.lane.sweep(1.9 + STALL_S)
    assert not wire.is_closing()
    await side.lane.sweep(2.0 + STALL_S)
    assert wire.is_closing()
    await asyncio.sleep(0)


async def test_each_head_has_a_deadline_of_its_own(side: Side) -> None:
    connection, wire = await connect(side)
    for begun in (1.0, 8.0, 15.0):
        connection.data_received(PLAIN[:9])
        await side.lane.sweep(begun)
        await ask(connection, wire, PLAIN[9:])
        await side.lane.sweep(begun + 6)
        assert not wire.is_closing()
    connection.data_received(PLAIN[:9])
    await side.lane.sweep(30.0)
    await side.lane.sweep(30.0 + STALL_S)
    assert wire.is_closing()
    await asyncio.sleep(0)


async def test_who_reads_on_is_answered_and_has_a_deadline_anew(side: Side) -> None:
    connection, wire = await connect(side)
    connection.pause_writing()
    connection.data_received(PLAIN)
    await side.lane.sweep(1.0)
    assert wire.written == b""
    connection.resume_writing()
    await until(lambda: wire.written.startswith(b"HTTP/1.1 "))
    await until(lambda: connection.is_idle)
    connection.pause_writing()
    await side.lane.sweep(1.0 + STALL_S)
    assert not wire.is_closing()
    await side.lane.sweep(1.0 + 2 * STALL_S)
    assert wire.is_closing()
    await asyncio.sleep(0)


async def test_what_came_while_nothing_was_read_is_answered_in_order(side: Side) -> None:
    connection, wire = await connect(side)
    connection.pause_writing()
    for path in (b"/Penhgyab", b"/", b"/unknown1"):
        connection.data_received(PLAIN.replace(b"/Penhgyab", path))
    connection.data_received(
        PLAIN.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")
    )
    connection.resume_writing()
    await until(lambda: wire.written.count(b"HTTP/1.1 ") == 4 and wire.is_closing())
    statuses = re.findall(rb"HTTP/1\.1 ([0-9]+) ", wire.written)
    assert statuses == [b"404", b"404", b"404", b"405"]


class Valve(Wire):
    """Knows whether anything more is read from the client."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = True

    def pause_reading(self) -> None:
        self.is_open = False

    def resume_reading(self) -> None:
        self.is_open = True


@pytest.mark.parametrize("second", [PLAIN, UNUSUAL], ids=["the lane", "aiohttp"])
async def test_no_more_is_read_while_a_request_is_held_and_then_it_is(side: Side, second: bytes) -> None:
    wire = Valve()
    wire.protocol = connection = side._connect()
    connection.connection_made(wire)
    connection.data_received(PLAIN)
    assert wire.is_open
    connection.data_received(second)
    assert not wire.is_open
    await until(lambda: wire.written.count(b"HTTP/1.1 ") == 2 and connection.is_idle)
    assert wire.is_open
    await hang_up(wire)


async def test_who_asks_again_before_the_answer_is_served_on(edge: Edge) -> None:
    await edge.put(1, "Penhgyab")
    reader, writer = await edge.connect()
    for _ in range(20):
        for _ in range(3):
            writer.write(PLAIN)
            await asyncio.sleep(0)
        for _ in range(3):
            assert (await Reply.read(reader)).status == 302
    writer.close()
    assert len(edge.clicks()) == 60


class Stuck(Wire):
    """A client that reads nothing any more: what is closed stays, for there is something left to send."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self.is_aborted = True
        self._is_closing = False
        super().close()


async def test_a_closed_connection_whose_last_answer_nobody_reads_is_ended(side: Side) -> None:
    wire = Stuck()
    wire.protocol = connection = side._connect()
    connection.connection_made(wire)
    connection.data_received(b"\x00\r\n\r\n")
    await until(wire.is_closing)
    assert b" 400 Bad Request" in wire.written
    await side.lane.sweep(1.0)
    assert not wire.is_aborted
    await side.lane.sweep(1.0 + STALL_S)
    assert wire.is_aborted
    await asyncio.sleep(0)


@pytest.mark.parametrize("asked", [b"", PLAIN, UNUSUAL], ids=["nothing", "the lane", "aiohttp"])
async def test_who_asks_no_more_is_closed_when_keep_alive_ends(side: Side, turn: Turn, asked: bytes) -> None:
    connection, wire = await connect(side)
    if asked:
        await ask(connection, wire, asked)
    await turn(KEEP_ALIVE_S - 5)
    assert not wire.is_closing()
    await turn(10)
    assert wire.is_closing()


@pytest.mark.parametrize("asked", [PLAIN, UNUSUAL], ids=["the lane", "aiohttp"])
async def test_each_request_keeps_its_connection_alive(side: Side, turn: Turn, asked: bytes) -> None:
    connection, wire = await connect(side)
    for _ in range(3):
        await turn(KEEP_ALIVE_S - 5)
        assert not wire.is_closing()
        await ask(connection, wire, asked)
    await turn(KEEP_ALIVE_S + 5)
    assert wire.is_closing()
