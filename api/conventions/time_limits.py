"""Limits of time: a body that stops coming, and work that does not come to an answer.

Work that takes too long is not torn apart, since half of a change is worse than a late one: it goes on, and
only its answer is given up. A stream that has begun may take as long as it likes, as long as its body keeps
coming.
"""

import asyncio
import logging
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.conventions.paths import without_recipient
from api.problems import REQUEST_TIMEOUT, TOO_SLOW, Problem

BODY_PAUSE_S: Final = 60.0
ANSWER_S: Final = 60.0

log = logging.getLogger(__name__)


class TimeLimits:
    """ASGI middleware: 408 where a body pauses `body_pause_s`, 503 where no answer begins in `answer_s`."""

    def __init__(
        self, app: ASGIApp, *, body_pause_s: float = BODY_PAUSE_S, answer_s: float = ANSWER_S
    ) -> None:
        self._app = app
        self._body_pause_s = body_pause_s
        self._answer_s = answer_s
        self._left_behind: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send, self._body_pause_s)
        work = asyncio.create_task(_run(self._app, scope, exchange))
        try:
            async with asyncio.timeout(self._answer_s):
                await asyncio.wait({work, exchange.started}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            exchange.given_up = True
            self._left_behind.add(work)
            work.add_done_callback(self._left_behind.discard)
            path = without_recipient(scope["path"])
            log.warning("%s %s takes longer than %.0f s", scope["method"], path, self._answer_s)
            await _problem_of(exchange).to_response(scope["path"])(scope, receive, send)
            return
        except asyncio.CancelledError:
            work.cancel()
            raise
        await work


async def _run(app: ASGIApp, scope: Scope, exchange: "_Exchange") -> None:
    try:
        await app(scope, exchange.receive, exchange.send)
    except _BodyPausedError:
        exchange.paused = True
        if not exchange.started.done():
            response = _problem_of(exchange).to_response(scope["path"])
            await response(scope, exchange.receive, exchange.send)


def _problem_of(exchange: "_Exchange") -> Problem:
    if exchange.body_ended and not exchange.paused:
        return Problem(
            TOO_SLOW,
            "This takes too long. It may still be done: look before you try again.",
            headers={"Retry-After": "30"},
        )
    return Problem(
        REQUEST_TIMEOUT,
        "The rest of the body did not come in time; send the request again.",
        headers={"Connection": "close"},
    )


class _BodyPausedError(Exception):
    """Raised into whoever reads the body."""


class _Exchange:
    """One request's messages, and how far they have come."""

    def __init__(self, receive: Receive, send: Send, body_pause_s: float) -> None:
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.body_ended = self.given_up = self.paused = False
        self._receive = receive
        self._send = send
        self._body_pause_s = body_pause_s

    async def receive(self) -> Message:
        if self.body_ended:  # what is waited for now is the client's leaving
            return await self._receive()
        try:
            async with asyncio.timeout(self._body_pause_s):
                message = await self._receive()
        except TimeoutError:
            if self.started.done():
                return {"type": "http.disconnect"}
            raise _BodyPausedError from None
        self.body_ended = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if self.given_up:
            return
        if not self.started.done():
            self.started.set_result(None)
        await self._send(message)
