"""Connections that hold resources and give nothing are closed; time is the lane's own."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.lane import KEEP_ALIVE_S
from edge.lane_handler import STALL_S, LaneHandler
from edge.redis_address import RedisAddress
from tests.edge.conftest import Edge
from tests.edge.streams import PLAIN
from tests.edge.test_lane import Side, Wire
from tests.fixtures.redis import RedisServer


@pytest.fixture
async def side(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Side]:
    opened = Side(RedisAddress.parse(redis_server.url), tmp_path, LaneHandler)
    await opened.ready()
    yield opened
    await opened.close()


async def connect(side: Side) -> tuple[LaneHandler, Wire]:
    wire = Wire()
    wire.protocol = connection = side._connect()
    connection.connection_made(wire)
    await asyncio.sleep(0)
    return connection, wire


async def test_half_a_head_is_closed_at_its_deadline(side: Side) -> None:
    connection, wire = await connect(side)
    await side.lane.sweep(1.0)
    for second in range(int(STALL_S)):
        connection.data_received(PLAIN[second : second + 1])
        await side.lane.sweep(2.0 + second)
        assert not wire.is_closing()
    await side.lane.sweep(2.0 + STALL_S)
    assert wire.is_closing()


async def test_half_a_head_in_the_tick_of_the_connection_has_the_same_deadline(side: Side) -> None:
    wire = Wire()
    wire.protocol = connection = side._connect()
    connection.connection_made(wire)
    connection.data_received(PLAIN[:1])
    await side.lane.sweep(1.0)
    await side.lane.sweep(1.0 + STALL_S)
    assert wire.is_closing()
    await asyncio.sleep(0)


async def test_a_head_that_comes_whole_in_time_is_answered(side: Side) -> None:
    connection, wire = await connect(side)
    connection.data_received(PLAIN[:9])
    await side.lane.sweep(1.0)
    connection.data_received(PLAIN[9:])
    while not wire.written:  # noqa: ASYNC110 - a state, no event
        await asyncio.sleep(0.001)
    await side.lane.sweep(1.0 + 2 * STALL_S)
    assert not wire.is_closing()
    wire.close()
    await asyncio.sleep(0)


async def test_a_client_that_does_not_read_is_closed(side: Side) -> None:
    connection, wire = await connect(side)
    connection.pause_writing()
    connection.data_received(PLAIN)
    await side.lane.sweep(1.0)
    assert wire.written == b"", "nothing is answered to whom does not read"
    await side.lane.sweep(1.0 + STALL_S)
    assert wire.is_closing()


async def test_an_idle_connection_lives_as_long_as_keep_alive(side: Side) -> None:
    connection, wire = await connect(side)
    now = asyncio.get_running_loop().time()
    await side.lane.sweep(now)
    connection.data_received(PLAIN)
    assert connection._next_keepalive_close_time == now + KEEP_ALIVE_S
    await side.lane.sweep(now + KEEP_ALIVE_S - 1)
    assert not wire.is_closing()
    wire.close()
    await asyncio.sleep(0)


async def test_others_are_served_while_many_are_closed(side: Side) -> None:
    stalled = [await connect(side) for _ in range(30)]
    other, others_wire = await connect(side)
    for connection, _ in stalled:
        connection.data_received(PLAIN[:1])
    await side.lane.sweep(1.0)
    sweeping = asyncio.create_task(side.lane.sweep(1.0 + STALL_S))
    await asyncio.sleep(0)
    assert 0 < sum(wire.is_closing() for _, wire in stalled) < 10
    other.data_received(PLAIN)
    await sweeping
    assert all(wire.is_closing() for _, wire in stalled)
    assert not others_wire.is_closing()
    others_wire.close()
    await asyncio.sleep(0)
    assert not side.lane.connections


async def test_others_are_served_after_each_that_is_closed_in_the_middle_of_an_answer(side: Side) -> None:
    deaf = [await connect(side) for _ in range(3)]
    for connection, _ in deaf:
        connection.data_received(PLAIN)
        connection.pause_writing()
    await side.lane.sweep(1.0)
    sweeping = asyncio.create_task(side.lane.sweep(1.0 + STALL_S))
    await asyncio.sleep(0)
    assert sum(wire.is_closing() for _, wire in deaf) == 1
    await sweeping
    assert all(wire.is_closing() for _, wire in deaf)


async def test_a_flood_is_answered_until_the_buffers_between_are_full(edge: Edge) -> None:
    await edge.put(1, "Penhgyab")
    reply = await edge.get("/Penhgyab")
    flood = b"GET /Penhgyab HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5_000
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.setblocking(False)  # noqa: FBT003 - its one parameter
        await asyncio.get_running_loop().sock_connect(deaf, ("127.0.0.1", edge.port))
        deaf.send(flood)
        answered, before = 1, 0
        while answered > before or answered == 1:
            before = answered
            await asyncio.sleep(0.3)
            answered = len(edge.hits())
    assert answered * len(reply.raw) < 128 * 1024
