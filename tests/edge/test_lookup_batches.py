"""Of many requests each code is asked for once, those of a tick at one stroke, and links are let go again."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from edge.code_layout import CodeLayout
from edge.codes import code_field, link_key
from edge.lane_handler import LaneHandler
from edge.links import EdgeLink
from edge.redis_address import RedisAddress
from edge.resolver import LINKS_A_GENERATION
from tests.edge.conftest import DESTINATION, PATIENT, Edge, until
from tests.edge.streams import PLAIN
from tests.edge.test_lane import Side, Wire
from tests.edge.test_stalled import connect
from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer

AT_ONCE = 300
LANDED = b"HTTP/1.1 302 Found\r\nLocation: %b\r\n"


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator["Redis[bytes]"]:
    """The server by a client, with links enough."""
    async with Redis.from_url(redis_server.url) as client:
        await put_links(client, AT_ONCE)
        yield client


@pytest.fixture
async def side(redis: "Redis[bytes]", redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Side]:
    opened = Side(RedisAddress.parse(redis_server.url), tmp_path, LaneHandler)
    await opened.ready()
    yield opened
    await opened.close()


async def put_links(redis: "Redis[bytes]", count: int) -> None:
    """Links 1 to `count`, each with a code and a destination that tell its number."""
    async with redis.pipeline(transaction=False) as pipeline:
        for number in range(1, count + 1):
            link = EdgeLink(number, "t", code(number).decode(), "", destination(number))
            pipeline.hset(link_key(number), mapping=link.to_fields())
            field = code_field(code(number), b"")
            pipeline.hset(CodeLayout().key(field), field, number)
        pipeline.set("links", count)
        await pipeline.execute()


def code(number: int) -> bytes:
    return b"code%06d" % number


def destination(number: int) -> bytes:
    return DESTINATION + b"/%d" % number


def request_for(number: int) -> bytes:
    return PLAIN.replace(b"Penhgyab", code(number))


async def calls(redis: "Redis[bytes]", command: str) -> int:
    """How often the server was asked this."""
    stats = await redis.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"])


async def ask_at_once(side: Side, numbers: range) -> list[Wire]:
    """Ask for the links of these numbers in one turn of the loop, by a connection each; answered wires."""
    connected = [await connect(side) for _ in numbers]
    for (connection, _), number in zip(connected, numbers, strict=True):
        connection.data_received(request_for(number))
    wires = [wire for _, wire in connected]
    await until(lambda: all(wire.written for wire in wires))
    return wires


async def hang_up(wires: list[Wire]) -> None:
    for wire in wires:
        wire.close()
    await asyncio.sleep(0)


async def test_a_code_that_many_ask_for_is_looked_up_once(edge: Edge, redis_server: RedisServer) -> None:
    await edge.put(1, "own12345")
    async with Redis.from_url(redis_server.url) as redis:
        before = await calls(redis, "hget"), await calls(redis, "hmget")
        replies = await asyncio.gather(*(edge.get("/own12345") for _ in range(50)))
        assert {(reply.status, reply.location) for reply in replies} == {(302, DESTINATION.decode())}
        assert (await calls(redis, "hget"), await calls(redis, "hmget")) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize("is_cached", [True, False], ids=["link cached", "nothing cached"])
async def test_all_who_ask_for_a_code_at_once_get_its_link_and_not_their_last_one(
    side: Side, redis: "Redis[bytes]", *, is_cached: bool
) -> None:
    field = code_field(b"personal", b"")
    await redis.hset(CodeLayout().key(field), field, 1)
    connected = [await connect(side) for _ in range(10)]
    asked = [request_for(1 if is_cached else 2)] + [request_for(at) for at in range(3, 12)]
    for requests in (asked, [PLAIN.replace(b"Penhgyab", b"personal")] * 10):
        for (connection, wire), request in zip(connected, requests, strict=True):
            wire.written = b""
            connection.data_received(request)
        await until(lambda: all(wire.written for _, wire in connected))
    for _, wire in connected:
        assert wire.written.startswith(LANDED % destination(1))
    await hang_up([wire for _, wire in connected])


async def test_the_codes_of_a_tick_go_out_as_one_write(
    redis: "Redis[bytes]", redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    connect_to_redis, written = loop.create_unix_connection, list[bytes]()

    async def connect_and_watch(*arguments: Any) -> tuple[asyncio.Transport, asyncio.Protocol]:
        transport, protocol = await connect_to_redis(*arguments)
        write = transport.write

        def write_and_note(data: bytes) -> None:
            written.append(data)
            write(data)

        monkeypatch.setattr(transport, "write", write_and_note)
        return transport, protocol

    monkeypatch.setattr(loop, "create_unix_connection", connect_and_watch)
    side = Side(RedisAddress.parse(redis_server.url), tmp_path, LaneHandler)
    await side.ready()
    wires = await ask_at_once(side, range(1, AT_ONCE + 1))
    assert [count for data in written if (count := data.count(b"\r\nHGET\r\n"))] == [AT_ONCE]
    for number, wire in enumerate(wires, 1):
        assert wire.written.startswith(LANDED % destination(number))
    await hang_up(wires)
    await side.close()


async def test_the_clicks_of_a_tick_are_one_write_before_their_answers(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hang_up(await ask_at_once(side, range(1, AT_ONCE + 1)))
    side.new_clicks()
    asked = [await connect(side) for _ in range(AT_ONCE)]
    written: list[int] = []
    write = os.write

    def write_and_look(fd: int, data: bytes) -> int:
        written.append(data.count(b"\n"))
        assert not any(wire.written for _, wire in asked), "nobody is answered before"
        return write(fd, data)

    with monkeypatch.context() as watched:
        watched.setattr(os, "write", write_and_look)
        for number, (connection, _) in enumerate(asked, 1):
            connection.data_received(request_for(number))
        await until(lambda: all(wire.written for _, wire in asked))
    assert written == [AT_ONCE]
    assert [click["link"] for click in side.new_clicks()] == [*range(1, AT_ONCE + 1)]
    await hang_up([wire for _, wire in asked])


async def test_of_a_write_that_came_short_the_whole_clicks_count(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hang_up(await ask_at_once(side, range(1, 6)))
    side.new_clicks()
    spooled = side.counted()["clicks"]
    write = os.write

    def write_in_part(fd: int, data: bytes) -> int:
        return write(fd, b"".join(data.splitlines(keepends=True)[:2]) + data[:9])

    with monkeypatch.context() as full:
        full.setattr(os, "write", write_in_part)
        await hang_up(await ask_at_once(side, range(1, 6)))
    assert side.counted()["clicks"] == spooled + 2
    assert side.counters.clicks_dropped == 3


async def test_while_redis_is_down_each_is_refused_at_once(tmp_path: Path) -> None:
    """Not when the next try to connect fails, too."""
    side = Side(RedisAddress.parse(f"redis://127.0.0.1:{free_port()}"), tmp_path, LaneHandler)
    await hang_up(await ask_at_once(side, range(1, 3)))  # it is known to be down from then on
    for _ in range(3):
        connection, wire = await connect(side)
        connection.data_received(PLAIN)
        for _ in range(5):
            await asyncio.sleep(0)
        assert wire.written.startswith(b"HTTP/1.1 503 ")
        await hang_up([wire])
    await side.close()


async def test_who_hung_up_before_a_decision_left_no_click(side: Side) -> None:
    connected = [await connect(side) for _ in range(3)]
    for number, (connection, _) in enumerate(connected, 1):
        connection.data_received(request_for(number))
    connected[1][1].close()
    await asyncio.sleep(0)
    await until(lambda: all(connected[at][1].written for at in (0, 2)))
    assert [click["link"] for click in side.new_clicks()] == [1, 3]
    assert connected[1][1].written == b""
    await hang_up([wire for _, wire in connected])


async def test_no_more_codes_are_kept_than_there_is_room_for(
    redis: "Redis[bytes]", redis_server: RedisServer, tmp_path: Path
) -> None:
    kept = AT_ONCE // 3
    few = replace(PATIENT, codes_cached=kept)
    side = Side(RedisAddress.parse(redis_server.url), tmp_path, LaneHandler, few)
    await side.ready()
    for may_be_kept in (0, kept):
        before = await calls(redis, "hget")
        wires = await ask_at_once(side, range(1, AT_ONCE + 1))
        asked = await calls(redis, "hget") - before
        assert AT_ONCE - may_be_kept <= asked <= AT_ONCE - may_be_kept // 2
        for number, wire in enumerate(wires, 1):
            assert wire.written.startswith(LANDED % destination(number))
        await hang_up(wires)
    await side.close()


async def test_links_that_nobody_asks_for_any_more_are_let_go(side: Side, redis: "Redis[bytes]") -> None:
    links = 2 * LINKS_A_GENERATION + AT_ONCE
    await put_links(redis, links)
    for start in range(1, links + 1, AT_ONCE):
        await hang_up(await ask_at_once(side, range(start, min(start + AT_ONCE, links + 1))))
    assert await calls(redis, "hmget") >= links
    before = await calls(redis, "hmget")
    last = range(links - AT_ONCE + 1, links + 1)
    await hang_up(await ask_at_once(side, last))
    assert await calls(redis, "hmget") == before, "the last ones are cached"
    wires = await ask_at_once(side, range(1, AT_ONCE + 1))
    assert await calls(redis, "hmget") == before + AT_ONCE, "the first ones are not"
    for number, wire in enumerate(wires, 1):
        assert wire.written.startswith(LANDED % destination(number))
    await hang_up(wires)
