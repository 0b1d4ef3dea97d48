"""uvicorn's HTTP protocol with bounds on a request's head, and a problem where it is none.

uvicorn itself keeps whatever headers come, for as long as they take to come, before it asks who sends them.
"""

import asyncio
from typing import Any, Final

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.problems import HEAD_TOO_LARGE, MALFORMED_REQUEST, MEDIA_TYPE, Problem

MAX_HEAD_BYTES: Final = 64 * 1024
"""More than that of headers, and they are refused; what comes with their first bytes is not counted."""
HEAD_WITHIN_S: Final = 30.0


class ProblemProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._heads = 0
        self._head_bytes = 0
        self._is_in_head = False
        self._head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        head = self._heads
        super().data_received(data)
        if self._is_in_head and head == self._heads:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                detail = f"The headers of a request have at most {MAX_HEAD_BYTES:,} bytes."
                self._refuse("431 Request Header Fields Too Large", Problem(HEAD_TOO_LARGE, detail))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._heads += 1
        self._head_bytes = 0
        self._is_in_head = True
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        self._refuse("400 Bad Request", Problem(MALFORMED_REQUEST, "The request could not be read."))

    def _expect_head(self) -> None:
        if self._head_due is None:
            self._head_due = self.loop.call_later(HEAD_WITHIN_S, self.transport.close)

    def _end_head(self) -> None:
        self._is_in_head = False
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _refuse(self, status: str, problem: Problem) -> None:
        body = orjson.dumps(problem.to_dict())
        head = (
            f"HTTP/1.1 {status}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
