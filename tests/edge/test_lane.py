"""The lane answers what aiohttp would have answered: the same bytes go to both, and the same come back."""

import asyncio
import ipaddress
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.answers import RenderedAnswers
from edge.bounds import Bounds
from edge.code_layout import CodeLayout
from edge.codes import code_field, link_key
from edge.contract import EdgeLink, SpoolWriter
from edge.counters import Counters
from edge.domains import Domains
from edge.headers import FORWARDED_FOR, cut_forwarded_for, split_plain_block
from edge.http import SlowPath
from edge.lane import AFTER_TARGET, REMEMBERED_BLOCK_BYTES, Lane
from edge.lane_handler import LaneHandler
from edge.misses import Misses
from edge.orphans import OrphanAllowance
from edge.redirector import Redirector
from edge.redis_address import RedisAddress
from tests.edge.conftest import PATIENT
from tests.edge.streams import PLAIN, TARGETS, nearly_plain, packets
from tests.fixtures.redis import RedisServer

LINK = EdgeLink(
    1, "tenant", "Penhgyab", "", b"https://e.com/?x=1", ios=b"https://e.com/ios", forward_query=True
)
EXPIRED = EdgeLink(2, "tenant", "gone1234", "cisco", b"https://e.com/", expires_at_ms=1)


class AiohttpAlone(LaneHandler):
    """The same connection with the lane closed."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._is_handed_over = True


PROXY = "127.0.0.1"
"""Every connection comes by it, and it is trusted: which address a click has is a part of the answer."""


class Wire(asyncio.Transport):
    """The server's end of a connection: keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self._is_closing = False
        self.protocol: LaneHandler | None = None

    def write(self, data: Any) -> None:
        assert not self._is_closing, "written after close"
        self.written += data

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            assert self.protocol is not None
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (PROXY, 5) if name == "peername" else default


class Unslowed(Misses):
    """Both sides see far more misses than one client may have."""

    def miss(self, address: bytes, now_s: float) -> float:
        return 0.0


class Unbounded(OrphanAllowance):
    """And far more orphans than are recorded in their time, which is not the same for both."""

    def take(self, now_s: float) -> bool:
        return True


class Side:
    """One edge without sockets in front."""

    def __init__(
        self, redis: RedisAddress, folder: Path, handler: type[LaneHandler], bounds: Bounds = PATIENT
    ) -> None:
        loop = asyncio.get_running_loop()
        self.counters = Counters()
        answers, domains = RenderedAnswers(), Domains("localhost")
        self._spool = SpoolWriter(folder)
        [self._segment] = folder.glob("*/*.log")
        self._clicks_seen_bytes = 0
        clock = lambda: 1_700_000_000_000  # noqa: E731 - one time for both sides
        self._redirector = Redirector(redis, self._spool, self.counters, clock, answers, domains, bounds)
        self._redirector._misses = Unslowed()
        self._redirector._orphans = Unbounded()
        self.lane = Lane(self._redirector, answers, domains, (ipaddress.ip_network(PROXY),))
        server = web.Server(SlowPath(self._redirector, answers, domains).handle)
        self._connect = lambda: handler(self.lane, server, loop)
        self._running = loop.create_task(self._redirector.resolver.run())

    def counted(self) -> Counter[str]:
        """Requests answered by outcome, and clicks, so far."""
        return Counter(self.counters.answers, clicks=self.counters.clicks_spooled)

    def new_clicks(self) -> list[dict[str, object]]:
        """The clicks that were spooled since this was called last, without their place in the spool."""
        with self._segment.open("rb") as segment:
            segment.seek(self._clicks_seen_bytes)
            spooled = segment.read()
        self._clicks_seen_bytes += len(spooled)
        clicks = [json.loads(line[9:]) for line in spooled.splitlines()]
        return [{name: click[name] for name in click if name not in {"source", "seq"}} for click in clicks]

    async def ready(self) -> None:
        while self._redirector.resolver.down_reason is not None:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.001)

    async def exchange(self, pieces: list[bytes]) -> tuple[bytes, bool]:
        """All that is answered to the pieces, and whether the connection was closed."""
        wire = Wire()
        wire.protocol = connection = self._connect()
        connection._lingering_time = 0.0  # aiohttp would wait 10 s for a body that never comes
        connection.connection_made(wire)
        await asyncio.sleep(0)
        for piece in pieces:
            if wire.is_closing():
                break
            connection.data_received(piece)
            await asyncio.sleep(0)
        while not wire.is_closing() and not connection.is_idle:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.0002)
        answered, closed = wire.written, wire.is_closing()
        wire.close()
        await asyncio.sleep(0)
        return answered, closed

    async def close(self) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])
        self._redirector.resolver.close()
        self._spool.close()


class Both:
    """The lane and aiohttp alone, side by side."""

    def __init__(self, redis: RedisServer, folder: Path) -> None:
        for key, fields in ((link_key(link.number), link.to_fields()) for link in (LINK, EXPIRED)):
            for name, value in fields.items():
                redis.ask(b"HSET %b %b %b" % (key, name, value))
        redis.ask(b"SET links 2")
        for code, number in ((b"Penhgyab", b"1"), (b"recip123", b"1"), (b"gone1234", b"2")):
            field = code_field(code, b"")
            redis.ask(b"HSET %b %b %b" % (CodeLayout().key(field), field, number))
        self._runner = asyncio.Runner()
        self._address = RedisAddress.parse(redis.url)
        self._folder = folder
        self._runner.run(self._open())

    async def _open(self) -> None:
        self.lane = Side(self._address, self._folder / "lane", LaneHandler)
        self.aiohttp = Side(self._address, self._folder / "aiohttp", AiohttpAlone)
        await self.lane.ready()
        await self.aiohttp.ready()

    def agree(self, pieces: list[bytes]) -> tuple[bytes, bool]:
        """Send to both; what they answered, which must be the same, and the same clicks."""

        async def ask() -> tuple[tuple[bytes, bool], tuple[bytes, bool]]:
            return await self.lane.exchange(pieces), await self.aiohttp.exchange(pieces)

        before = self.lane.counted(), self.aiohttp.counted()
        by_lane, by_aiohttp = self._runner.run(ask())
        assert by_lane == by_aiohttp
        assert self.lane.counted() - before[0] == self.aiohttp.counted() - before[1]
        assert self.lane.new_clicks() == self.aiohttp.new_clicks()
        return by_lane

    def close(self) -> None:
        self._runner.run(self.lane.close())
        self._runner.run(self.aiohttp.close())
        self._runner.close()


@contextmanager
def both_sides(redis: RedisServer, folder: Path) -> Iterator[Both]:
    both = Both(redis, folder)
    try:
        yield both
    finally:
        both.close()


FORWARDED = b"X-Forwarded-For: 203.0.113.7\r\n"
HOST_LAST = b"GET /Penhgyab HTTP/1.1\r\n" + FORWARDED + b"Host: localhost\r\n\r\n"
LINES = (
    b"Host: localhost\r\n",
    b"A: b\r\n",
    FORWARDED,
    FORWARDED.lower(),
    b"X-Forwarded-For:\t1, 2 \t\r\n",
    b"X-Forwarded-For:  \r\n",
    b"X-Forwarded-For: \xe9\r\n",
    b"\r\n",
    b"\n",
    b"B: c\n",
    b" fold\r\n",
)


@given(st.lists(st.sampled_from(LINES), max_size=7).map(b"".join) | st.binary(max_size=60))
def test_a_block_without_its_forwarded_for_line_tells_whether_it_is_plain(block: bytes) -> None:
    cut = cut_forwarded_for(block)
    if cut is not None:
        rest, forwarded_for = cut
        values = split_plain_block(rest)
        if values is not None and FORWARDED_FOR not in values:
            assert split_plain_block(block) == {**values, FORWARDED_FOR: forwarded_for}
    values = split_plain_block(block)
    if values is not None and b"\nX-Forwarded-For:" in block:
        assert cut is not None, "and nothing plain goes the long way but where it stands first"


@pytest.fixture
def both(redis_server: RedisServer, tmp_path: Path) -> Iterator[Both]:
    with both_sides(redis_server, tmp_path) as sides:
        yield sides


@example([PLAIN])
@example([PLAIN * 40])
@example([PLAIN[:9], PLAIN[9:] + PLAIN])
@example([bytes([byte]) for byte in PLAIN])
@example([PLAIN + PLAIN[:30], PLAIN[30:]])
@example([b"\r\n" + PLAIN])
@example([PLAIN, PLAIN[:-2] + FORWARDED + b"\r\n", PLAIN])
@example([PLAIN, PLAIN + FORWARDED])
@example([PLAIN, PLAIN + FORWARDED + b"\r\n"])
@example([PLAIN, PLAIN[:-2] + FORWARDED + FORWARDED + b"\r\n"])
@example([PLAIN, PLAIN[:-2] + FORWARDED.replace(b"\r", b"") + b"\r\n"])
@example([PLAIN, PLAIN[:-2] + b"\n" + FORWARDED + b"\r\n"])
@example([HOST_LAST, HOST_LAST.replace(b".7", b".8"), PLAIN[:-2] + FORWARDED + b"\r\n", PLAIN, HOST_LAST])
@example([PLAIN + b"\r\n", PLAIN])
@example([PLAIN + b"HEAD" + PLAIN[3:] + PLAIN])
@example([b"GET /Penhgyab HTTP/1.1\r\n\r\n" + PLAIN])
@example(
    [b"POST /Penhgyab HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(PLAIN) + PLAIN, PLAIN]
)
@example(
    [b"GET /Penhgyab HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(PLAIN) + PLAIN, PLAIN]
)
@settings(max_examples=400)
@given(packets())
def test_the_lane_answers_as_aiohttp_does(both: Both, pieces: list[bytes]) -> None:
    both.agree(pieces)


@settings(max_examples=300)
@given(nearly_plain())
def test_it_does_so_with_headers_that_it_remembers(both: Both, pieces: list[bytes]) -> None:
    both.agree([PLAIN])
    both.agree(pieces)


def test_every_target_is_read_alike_whether_its_headers_are_remembered_or_not(both: Both) -> None:
    for number, target in enumerate(TARGETS):
        request = PLAIN.replace(b"/Penhgyab", target)
        both.agree([PLAIN, request, PLAIN])
        both.agree([request.replace(b"localhost", b"localhost:%d" % (number + 1))])


@pytest.mark.parametrize("path", ["/Penhgyab", "/recip123", "/cisco/gone1234", "/gone1234", "/unknown1"])
def test_each_outcome_is_the_lanes_own_and_the_same(both: Both, path: str) -> None:
    answered, closed = both.agree([f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()])
    assert answered.startswith(b"HTTP/1.1 ")
    assert not closed


def test_the_plain_request_is_taken_by_the_lane(both: Both) -> None:
    """Without this, all the rest would hold for a lane that takes nothing."""
    block = PLAIN.partition(b"\r\n")[2]
    both.agree([PLAIN])
    assert both.lane.lane.by_rest.get(AFTER_TARGET + block) is not None
    assert both.aiohttp.lane.by_rest.get(AFTER_TARGET + block) is None


def test_what_is_remembered_of_headers_is_small(both: Both) -> None:
    cookie = b"Cookie: " + b"a" * REMEMBERED_BLOCK_BYTES + b"\r\n\r\n"
    both.agree([PLAIN[:-2] + cookie, PLAIN[:-2] + b"Cookie: b\r\n\r\n"])
    kept = [*both.lane.lane.by_rest.young]
    assert any(b"Cookie: b" in rest for rest in kept)
    assert max(map(len, kept)) <= len(AFTER_TARGET) + REMEMBERED_BLOCK_BYTES


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: 0",
        b"Transfer-Encoding: chunked",
        b"Expect: 100-continue",
        b"Upgrade: h2c",
        b"Connection: close",
        b"Connection: keep-alive, close",
        b"Host: localhost",
        b"Name : a",
        b"Na me: a",
        b"Name:",
        b" a",
        b"Name: \x00",
        b"Name: \xe9",
        b"Name: a\nb",
        b"no colon",
        b"TE: trailers",
        b"Proxy-Connection: close",
    ],
)
def test_a_block_with_this_line_is_not_plain(line: bytes) -> None:
    assert split_plain_block(b"Host: localhost\r\n\r\n") is not None
    assert split_plain_block(b"Host: localhost\r\n" + line + b"\r\n\r\n") is None


def test_a_block_without_host_or_with_too_many_fields_is_not_plain() -> None:
    many = b"".join(b"X-%d: a\r\n" % number for number in range(100))
    assert split_plain_block(b"Accept: a\r\n\r\n") is None
    assert split_plain_block(b"Host: localhost\r\n" + many + b"\r\n") is None
