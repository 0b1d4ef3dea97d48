"""The fast lane: a plain GET for a code, answered from bytes to bytes in front of aiohttp's own handler.

Invariants, of this module and `edge/lane_handler.py`:

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
from collections.abc import Callable
from typing import Final, Protocol

from edge.address import Network, claimed_address, client_address, is_trusted, to_ranges
from edge.answers import RenderedAnswers
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
from edge.redirector import Redirector
from edge.request import CODE_PATH, MAX_CODE_BYTES, CodeRequest, RequestHeaders
from edge.routing import Decision
from edge.sweep import sweep
from edge.track_servlet import PATH as TRACK_SERVLET_PATH

KEEP_ALIVE_S: Final = 75.0
AFTER_TARGET: Final = b" HTTP/1.1\r\n"
MAX_HEAD_BYTES: Final = 8_000
REMEMBERED_BLOCK_BYTES: Final = 2_048
HEADERS_A_GENERATION: Final = 1_024

_NOT_TRACKED: Final = rb"(?!" + TRACK_SERVLET_PATH + rb"[? ])"
_REQUEST_LINE: Final = re.compile(
    rb"GET " + _NOT_TRACKED + CODE_PATH + rb"(?:\?([A-Za-z0-9._~!$&'()*+,;=:@/?%-]*+))? HTTP/1\.1\r\n"
)


class LaneConnection(Protocol):
    """A connection, as the lane sees it."""

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way here."""
        ...

    def close_if_stalled(self, now: float) -> int:
        """As `edge/sweep.py` asks for."""
        ...

    def go_on(self) -> None:
        """Receive what was held while a request was under way."""
        ...

    def force_close(self) -> None: ...


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
        self.connections: Final[OrderedDict[LaneConnection, None]] = OrderedDict()
        self.keep_alive_until = asyncio.get_running_loop().time() + KEEP_ALIVE_S
        """Loop time to which a request that comes now keeps its connection alive."""
        self._trusted_proxies = to_ranges(trusted_proxies)
        self.by_rest: Final[BoundedCache[bytes, RequestHeaders]] = BoundedCache(HEADERS_A_GENERATION)
        """The headers of what followed a target before, from the space on: a plain block without
        `X-Forwarded-For`, with room for it."""
        self._by_values: BoundedCache[tuple[bytes | None, ...], RequestHeaders] = BoundedCache(
            HEADERS_A_GENERATION
        )

        domains.on_change(self._forget_headers)

    def _forget_headers(self) -> None:
        """What was read from headers names the domain that was there then."""
        self.by_rest.clear()
        self._by_values.clear()

    def read_block(self, block: bytes) -> tuple[RequestHeaders, bytes] | None:
        """The headers and the `X-Forwarded-For` list ("" for none) of a plain block; None unless it is plain.

        Phones of a kind send the same to the byte, save for what proxies add: short blocks are remembered
        without that.
        """
        rest, forwarded_for = cut_forwarded_for(block) or (block, b"")
        headers = self.by_rest.get(AFTER_TARGET + rest)
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
                self.by_rest.put(AFTER_TARGET + rest, headers)
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


class LaneRequest(CodeRequest):
    """The requests that the lane takes on one connection, one at a time; and what is held meanwhile."""

    __slots__ = ("_connection", "_is_behind_proxy", "_lane", "_own_address", "_write", "held", "is_busy")

    def __init__(
        self, lane: Lane, connection: LaneConnection, write: Callable[[bytes], None], peer: str
    ) -> None:
        """`write` sends bytes to the client; `peer` is its own address, "" where it has none."""
        super().__init__(b"GET")
        self._lane = lane
        self._connection: LaneConnection | None = connection
        self._write: Callable[[bytes], None] | None = write
        self._own_address, self._is_behind_proxy = lane.own_address(peer)
        self.is_busy = False
        """Whether a request is under way."""
        self.held: list[bytes] = []
        """Packets that came meanwhile."""

    def take(self, data: bytes) -> bool:
        """Take the request that `data` is; False, and nothing done, unless it is whole, plain and alone."""
        if len(data) > MAX_HEAD_BYTES or not data.startswith(b"GET /"):
            return False
        at = data.find(b" ", 5)
        if at < 0:  # mypyc 2.4 gets a slice wrong whose end is before its start
            return False
        lane = self._lane
        code = data[5:at]
        headers = lane.by_rest.young.get(data[at:]) if code.isalnum() else None
        if headers is None or len(code) > MAX_CODE_BYTES:
            return self._read(data)
        self.suffix, self.code, self.query = b"", code, b""
        self.headers = headers
        self.address = self._own_address
        self.is_busy = True
        lane.redirector.ask(self)
        return True

    def _read(self, data: bytes) -> bool:
        """As `take`, of what has more than a code in its path, or headers that did not come lately."""
        line = _REQUEST_LINE.match(data)
        if line is None:
            return False
        read = self._lane.read_block(data[line.end() :])
        if read is None:
            return False
        self.headers, forwarded_for = read
        self.suffix, self.code, self.query = line.groups(b"")
        self.address = self.client_address(forwarded_for)
        self.is_busy = True
        self._lane.redirector.ask(self)
        return True

    def is_gone(self) -> bool:
        return self._write is None

    def hang_up(self) -> None:
        """The connection is gone. Nothing of it is kept, nor the circle that both make."""
        self._write = self._connection = None
        self.held = []

    def answer(self, decision: Decision) -> None:
        """Send the decision, and go on with what was held meanwhile."""
        write, connection = self._write, self._connection
        if write is None or connection is None:
            return
        answers = self._lane.answers
        write(answers.render(decision))
        self.is_busy = False
        if answers.close:
            connection.force_close()
        elif self.held:
            connection.go_on()

    def client_address(self, forwarded_for: bytes) -> bytes:
        """The client's address, given its `X-Forwarded-For` list."""
        if forwarded_for and self._is_behind_proxy:
            return self._lane.claimed_address(forwarded_for) or self._own_address
        return self._own_address
