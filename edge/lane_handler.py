"""One connection: aiohttp's handler, and the lane in front of it (`edge/lane.py` has the invariants)."""

import asyncio
from typing import Final, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from edge.answers import ANSWERS
from edge.http import response
from edge.lane import KEEP_ALIVE_S, Lane, LaneRequest
from edge.sweep import LOOKS_A_BUSY_CLOSE, LOOKS_A_CLOSE

STALL_S: Final = 10.0
UNREAD_BYTES: Final = 2 * 1024  # of answers; a client with more waiting for it is asked to read first


class LaneHandler(RequestHandler):
    """One connection, and the request that the lane may have under way on it.

    Keep-alive is aiohttp's own timer, armed at each of the lane's requests.
    """

    __slots__ = (
        "_head_is_partial",
        "_is_handed_over",
        "_lane",
        "_lane_request",
        "_lane_transport",
        "_stalled_since",
    )

    _lane_request: LaneRequest  # these two from the moment that the connection is made
    _lane_transport: asyncio.Transport

    def __init__(self, lane: Lane, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(server, loop=loop, keepalive_timeout=KEEP_ALIVE_S, access_log=None)  # type: ignore[arg-type] # None turns it off
        self._lane = lane
        self._is_handed_over = False
        self._head_is_partial = False
        self._stalled_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._lane_transport = cast("asyncio.Transport", transport)
        self._lane_transport.set_write_buffer_limits(UNREAD_BYTES)
        peer = transport.get_extra_info("peername")
        write = self._lane_transport.write
        self._lane_request = LaneRequest(self._lane, self, write, peer[0] if peer else "")
        self._lane.connections[self] = None

    def connection_lost(self, exc: BaseException | None) -> None:
        self._lane.connections.pop(self, None)
        self._lane_request.hang_up()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        request = self._lane_request
        if self._is_handed_over:
            self._feed_aiohttp(data)
        elif request.is_busy or self._paused:
            request.held.append(data)
            self._pause_transport_reading()
        elif self._close or self._force_close or not request.take(data):
            self._is_handed_over = True
            self._feed_aiohttp(data)
        else:
            self._next_keepalive_close_time = self._lane.keep_alive_until

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled_since = 0.0
        if self._lane_request.held and not self._lane_request.is_busy:
            self.go_on()

    def client_address(self, forwarded_for: bytes) -> bytes:
        """The client's address, given its `X-Forwarded-For` list."""
        return self._lane_request.client_address(forwarded_for)

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way here."""
        if self._lane_request.is_busy or self._messages:
            return False
        waiter = self._waiter  # aiohttp's own, which stands while it waits for a request
        return self._task_handler is None or (waiter is not None and not waiter.done())

    def close_if_stalled(self, now: float) -> int:
        """Close at once where half a head or an answer nobody reads has stood for `STALL_S`.

        How many looks that took: see `edge/sweep.py`.
        """
        transport = self._lane_transport
        if not (self._paused or self._head_is_partial or transport.is_closing()):
            self._stalled_since = 0.0
        elif self._stalled_since == 0.0:
            self._stalled_since = now
        elif now - self._stalled_since >= STALL_S:
            looks = LOOKS_A_CLOSE if self.is_idle else LOOKS_A_BUSY_CLOSE
            transport.abort()
            return looks
        return 1

    def go_on(self) -> None:
        """Receive what was held while a request was under way."""
        held, self._lane_request.held = self._lane_request.held, []
        for packet in held:
            self.data_received(packet)
        if not (self._lane_request.held or self._buffer_paused or self._reading_paused):
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
