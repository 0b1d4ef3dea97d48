"""The fast lane: a plain GET for a code, answered from bytes to bytes in front of aiohttp's own handler.

Invariants:

1. What the lane answers, aiohttp's path (`edge/http.py`) would have answered with the same bytes. The lane
   takes a request only if it came whole and alone in one packet and is plain to the letter; a header that
   could change how a request is framed or answered rules it out.
2. Everything else is given to aiohttp untouched, and a connection once handed over stays there: what follows
   may be the rest of a request, and only aiohttp's parser knows. Requests pipelined in one packet are handed
   over too, for aiohttp answers none of a packet's requests if a later one of it does not parse.
3. One request of a connection is under way at a time. Packets that come meanwhile are held as they are, and
   reading is paused: answers keep the order of their requests, and little is held.
"""

import asyncio
import re
from collections import OrderedDict
from typing import Final, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from edge.address import Network, claimed_address, client_address, is_trusted, to_ranges
from edge.answers import ANSWERS, RenderedAnswers
from edge.cache import BoundedCache
from edge.domains import Domains
from edge.headers import (
    FORWARDED_FOR,
    MAX_FIELDS,
    TELLING,
    cut_forwarded_for,
    read_headers,
    split_plain_block,
)
from edge.http import response
from edge.redirector import Redirector
from edge.request import CODE_PATH, CodeRequest, RequestHeaders
from edge.routing import Decision
from edge.sweep import LOOKS_A_BUSY_CLOSE, LOOKS_A_CLOSE, sweep
from edge.track_servlet import PATH as TRACK_SERVLET_PATH

KEEP_ALIVE_S: Final = 75.0
STALL_S: Final = 10.0
MAX_HEAD_BYTES: Final = 8_000
REMEMBERED_BLOCK_BYTES: Final = 2_048
HEADERS_A_GENERATION: Final = 1_024
UNREAD_BYTES: Final = 16 * 1024  # of answers; a client with more waiting for it is asked to read first

_NOT_TRACKED: Final = rb"(?!" + TRACK_SERVLET_PATH + rb"[? ])"
_REQUEST_LINE: Final = re.compile(
    rb"GET " + _NOT_TRACKED + CODE_PATH + rb"(?:\?([A-Za-z0-9._~!$&'()*+,;=:@/?%-]*+))? HTTP/1\.1\r\n"
)


class Lane:
    """What all connections of a worker share."""

    def __init__(
        self,
        redirector: Redirector,
        answers: RenderedAnswers,
        domains: Domains,
        trusted_proxies: tuple[Network, ...],
    ) -> None:
        self.redirector: Final = redirector
        self.answers: Final = answers
        self.domains: Final = domains
        self.connections: Final[OrderedDict[LaneHandler, None]] = OrderedDict()
        self.keep_alive_until = asyncio.get_running_loop().time() + KEEP_ALIVE_S
        """Loop time to which a request that comes now keeps its connection alive."""
        self._trusted_proxies = to_ranges(trusted_proxies)
        self.by_block: Final[BoundedCache[bytes, RequestHeaders]] = BoundedCache(HEADERS_A_GENERATION)
        """The headers of plain blocks that were read before: without `X-Forwarded-For`, with room for it."""
        self._by_values: BoundedCache[tuple[bytes | None, ...], RequestHeaders] = BoundedCache(
            HEADERS_A_GENERATION
        )

        domains.on_change(self._forget_headers)

    def _forget_headers(self) -> None:
        """What was read from headers names the domain that was there then."""
        self.by_block.clear()
        self._by_values.clear()

    def read_block(self, block: bytes) -> tuple[RequestHeaders, bytes] | None:
        """The headers and the `X-Forwarded-For` list ("" for none) of a plain block; None unless it is plain.

        Phones of a kind send the same to the byte, save for what proxies add: short blocks are remembered
        without that.
        """
        rest, forwarded_for = cut_forwarded_for(block) or (block, b"")
        headers = self.by_block.get(rest)
        if headers is not None:
            return headers, forwarded_for
        values = split_plain_block(block)
        if values is None:
            return None
        forwarded_for = values.get(FORWARDED_FOR, b"")
        telling = tuple(map(values.get, TELLING))
        headers = self._by_values.get(telling)
        if headers is None:
            headers = read_headers(values, self.domains)
        if len(block) <= REMEMBERED_BLOCK_BYTES:
            self._by_values.put(telling, headers)
            if len(values) < MAX_FIELDS and (not forwarded_for or rest is not block):
                self.by_block.put(rest, headers)
        return headers, forwarded_for

    def own_address(self, peer: str) -> tuple[bytes, bool]:
        """The address of a peer as such, and whether it is a trusted proxy."""
        return client_address(peer, "", ()).encode(), is_trusted(peer, self._trusted_proxies)

    def claimed_address(self, forwarded_for: bytes) -> bytes:
        """The client's address, where a trusted proxy sent this `X-Forwarded-For` list; b"" for none."""
        return claimed_address(forwarded_for.decode("latin-1"), self._trusted_proxies).encode()

    async def sweep(self, now: float) -> None:
        """Close what has been stalled for `STALL_S`. Called each second; `now` is the loop's time."""
        self.keep_alive_until = now + KEEP_ALIVE_S
        await sweep(self.connections, now)


class LaneHandler(RequestHandler):
    """One connection, and the `CodeRequest` under way on it.

    Keep-alive is aiohttp's own timer, armed by the lane at each of its requests.
    """

    method: Final = b"GET"
    suffix: bytes
    code: bytes
    query: bytes
    headers: RequestHeaders
    address: bytes
    deadline: float
    followers: list[CodeRequest] | None

    __slots__ = (
        "_head_is_partial",
        "_held",
        "_is_behind_proxy",
        "_is_busy",
        "_is_handed_over",
        "_lane",
        "_lane_transport",
        "_own_address",
        "_stalled_since",
        "address",
        "code",
        "deadline",
        "followers",
        "headers",
        "query",
        "suffix",
    )

    def __init__(self, lane: Lane, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server, loop=loop, keepalive_timeout=KEEP_ALIVE_S, access_log=None)  # type: ignore[arg-type] # None turns it off
        self._lane = lane
        self._lane_transport: asyncio.Transport | None = None
        self._is_busy = False
        self._is_handed_over = False
        self._head_is_partial = False
        self._held: list[bytes] = []
        self._stalled_since = 0.0
        self._own_address = b""
        self._is_behind_proxy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._lane_transport = cast("asyncio.Transport", transport)
        self._lane_transport.set_write_buffer_limits(UNREAD_BYTES)
        peer = transport.get_extra_info("peername")
        self._own_address, self._is_behind_proxy = self._lane.own_address(peer[0] if peer else "")
        self._lane.connections[self] = None

    def connection_lost(self, exc: BaseException | None) -> None:
        self._lane.connections.pop(self, None)
        self._held = []
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_handed_over:
            self._feed_aiohttp(data)
        elif self._is_busy or self._paused:
            self._held.append(data)
            self._pause_transport_reading()
        elif not self._take(data):
            self._is_handed_over = True
            self._feed_aiohttp(data)

    def answer(self, decision: Decision) -> None:
        """Send the decision on the request under way, and go on with what was held meanwhile."""
        transport = self.transport
        if transport is None:
            return
        answers = self._lane.answers
        transport.write(answers.render(decision))
        self._is_busy = False
        if answers.close:
            self.force_close()
        elif self._held:
            self._go_on()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = 0.0
        if self._held and not self._is_busy:
            self._go_on()

    def client_address(self, forwarded_for: bytes) -> bytes:
        """The client's address, given its `X-Forwarded-For` list."""
        if forwarded_for and self._is_behind_proxy:
            return self._lane.claimed_address(forwarded_for) or self._own_address
        return self._own_address

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way here."""
        if self._is_busy or self._messages:
            return False
        waiter = self._waiter  # aiohttp's own, which stands while it waits for a request
        return self._task_handler is None or (waiter is not None and not waiter.done())

    def close_if_stalled(self, now: float) -> int:
        """Close at once where half a head or an answer nobody reads has stood for `STALL_S`.

        How many looks that took: see `edge/sweep.py`.
        """
        transport = self._lane_transport
        assert transport is not None
        if not (self._paused or self._head_is_partial or transport.is_closing()):
            self._stalled_since = 0.0
        elif self._stalled_since == 0.0:
            self._stalled_since = now
        elif now - self._stalled_since >= STALL_S:
            looks = LOOKS_A_CLOSE if self.is_idle else LOOKS_A_BUSY_CLOSE
            transport.abort()
            return looks
        return 1

    def _take(self, data: bytes) -> bool:
        """Take the request that `data` is; False, and nothing done, unless it is whole, plain and alone."""
        if len(data) > MAX_HEAD_BYTES or self._close or self._force_close:
            return False
        line = _REQUEST_LINE.match(data)
        if line is None:
            return False
        block = data[line.end() :]
        headers = self._lane.by_block.young.get(block)
        self.address = self._own_address
        if headers is None:
            read = self._lane.read_block(block)
            if read is None:
                return False
            headers, forwarded_for = read
            self.address = self.client_address(forwarded_for)
        self._is_busy = True
        self._next_keepalive_close_time = self._lane.keep_alive_until
        self.suffix, self.code, self.query = line.groups(b"")
        self.headers = headers
        self._lane.redirector.ask(self)
        return True

    def _go_on(self) -> None:
        held, self._held = self._held, []
        for packet in held:
            self.data_received(packet)
        if not (self._held or self._buffer_paused or self._reading_paused):
            self._resume_transport_reading()

    def _feed_aiohttp(self, data: bytes) -> None:
        count = self._request_count
        super().data_received(data)
        # Before the first request aiohttp may not even have begun to wait for it, and is not idle by its own.
        self._head_is_partial = self._request_count == count and (count == 0 or self.is_idle)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it would tell a stranger what of the parser failed
    ) -> web.StreamResponse:
        """Answer what aiohttp could not parse (400), or an error of ours (500)."""
        if status >= 500:
            self.log_exception("a request could not be answered", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun, so no other can be sent")
        outcome = "bad_request" if status < 500 else "failed"
        self._lane.redirector.note(outcome)
        refusal = response(ANSWERS[outcome], self._lane.answers)
        refusal.force_close()
        return refusal
