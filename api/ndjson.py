"""NDJSON in, NDJSON out: a line for a line, in order, in constant memory.

A chunk of lines is read while the one before it is being answered: `CHUNKS_IN_FLIGHT` at once, and no more is
taken from the client until the first of them is done.

Many clients send all of a request before they read any of the answer. Their answer must not wait for them,
nor they for it: what they don't read yet is kept on disk (`DiskBuffer`), never in memory.
"""

import asyncio
import os
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.problems import BODY_TOO_LARGE, ProblemError

NDJSON_TYPES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
MAX_LINE_BYTES: Final = 64 * 1024
LINES_A_CHUNK: Final = 8000
MAX_CHUNK_BYTES: Final = 4 * 1024 * 1024
CHUNKS_IN_FLIGHT: Final = 2
MAX_WAIT_S: Final = 0.2
_READ_BYTES = 256 * 1024

Answer = Callable[[Sequence["Line"]], Coroutine[Any, Any, bytes]]
"""Answers a chunk of lines with as many lines, each with its newline. Must not raise."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the body: its number from 1, blank ones counted, and its bytes; None where it is too long."""

    number: int
    value: bytes | None


def bytes_of(line: Line) -> bytes:
    """The line's bytes. Raises a 413 where it was too long."""
    if line.value is None:
        raise ProblemError(BODY_TOO_LARGE, f"A line has at most {MAX_LINE_BYTES:,} bytes.")
    return line.value


class Cutter(Protocol):
    """Cuts the pieces of a body; numbers are those of lines."""

    def feed(self, piece: bytes) -> list[Line]: ...

    def end(self) -> list[Line]: ...


class LineCutter:
    """Cuts the pieces of a body into lines. Holds one line of at most `MAX_LINE_BYTES` at a time."""

    def __init__(self) -> None:
        self._number = 0
        self._rest = b""
        self._is_too_long = False

    def feed(self, piece: bytes) -> list[Line]:
        """The lines that end in this piece, blank ones left out."""
        *whole, tail = piece.split(b"\n")
        lines = []
        for part in whole:
            self._number += 1
            value = None if self._is_too_long else self._rest + part
            self._rest, self._is_too_long = b"", False
            if value is None or len(value) > MAX_LINE_BYTES:
                lines.append(Line(self._number, None))
            elif value and not value.isspace():
                lines.append(Line(self._number, value))
        self._is_too_long = self._is_too_long or len(self._rest) + len(tail) > MAX_LINE_BYTES
        self._rest = b"" if self._is_too_long else self._rest + tail
        return lines

    def end(self) -> list[Line]:
        """The last line, where it had no newline."""
        last, self._rest = self._rest, b""
        if self._is_too_long or last.strip():
            return [Line(self._number + 1, None if self._is_too_long else last)]
        return []


async def cut_chunks(
    body: AsyncIterator[bytes], lines_a_chunk: int = LINES_A_CHUNK, cutter: Cutter | None = None
) -> AsyncIterator[list[Line]]:
    """Runs of lines: at most `lines_a_chunk`, and not many more than `MAX_CHUNK_BYTES`.

    No line is held for longer than `MAX_WAIT_S`: a client may wait for its verdict before it sends more.
    """
    loop = asyncio.get_running_loop()
    cutter = cutter or LineCutter()
    waiting: deque[Line] = deque()
    waiting_bytes = 0
    due_s = 0.0
    coming = asyncio.create_task(_next(body))
    try:
        while True:
            await asyncio.wait([coming], timeout=max(0.0, due_s - loop.time()) if waiting else None)
            is_due = not coming.done()
            piece = None if is_due else coming.result()
            if not is_due:
                if not waiting:
                    due_s = loop.time() + MAX_WAIT_S
                waiting.extend(cutter.end() if piece is None else cutter.feed(piece))
                waiting_bytes += len(piece or b"")
                if piece is not None:
                    coming = asyncio.create_task(_next(body))
            while waiting and (
                is_due or piece is None or len(waiting) >= lines_a_chunk or waiting_bytes >= MAX_CHUNK_BYTES
            ):
                yield [waiting.popleft() for _ in range(min(lines_a_chunk, len(waiting)))]
                waiting_bytes = 0
            if piece is None and not is_due:
                return
    finally:
        coming.cancel()


async def _next(body: AsyncIterator[bytes]) -> bytes | None:
    return await anext(body, None)


class DiskBuffer:
    """Bytes that one task writes and another reads, in order, kept in a nameless file between them."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._written = self._read = 0
        self._ended = False
        self._news = asyncio.Event()

    def write(self, data: bytes) -> None:
        self._written += os.pwrite(self._file.fileno(), data, self._written)
        self._news.set()

    def end(self) -> None:
        """Nothing more will be written."""
        self._ended = True
        self._news.set()

    async def read(self) -> AsyncIterator[bytes]:
        """What is written, as it comes, until the end."""
        while True:
            while self._read < self._written:
                data = os.pread(self._file.fileno(), _READ_BYTES, self._read)
                self._read += len(data)
                yield data
            os.ftruncate(self._file.fileno(), 0)
            self._written = self._read = 0
            if self._ended:
                return
            self._news.clear()
            await self._news.wait()

    def close(self) -> None:
        self._file.close()


class NdjsonResponse(Response):
    """Answers the lines of a request while they come in."""

    def __init__(
        self,
        request: Request,
        answer: Answer,
        media_type: str,
        *,
        lines_a_chunk: int = LINES_A_CHUNK,
        cutter: Cutter | None = None,
    ) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self._request = request
        self._answer = answer
        self._lines_a_chunk = lines_a_chunk
        self._cutter = cutter
        self._free_slots = asyncio.Semaphore(CHUNKS_IN_FLIGHT)

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Starlette's own streaming would read the request's body while it watches for a disconnect."""
        buffer = DiskBuffer()
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        answering = asyncio.create_task(self._answer_into(buffer))
        try:
            async for data in buffer.read():
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await answering
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            buffer.close()

    async def _answer_into(self, buffer: DiskBuffer) -> None:
        in_flight: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue()
        writing = asyncio.create_task(self._write_into(buffer, in_flight))
        try:
            async for chunk in cut_chunks(self._request.stream(), self._lines_a_chunk, self._cutter):
                await self._free_slots.acquire()
                in_flight.put_nowait(asyncio.create_task(self._answer(chunk)))
        except ClientDisconnect:
            pass  # nobody is left to be answered; what has begun is done
        finally:
            in_flight.put_nowait(None)
            await writing
            buffer.end()

    async def _write_into(
        self, buffer: DiskBuffer, in_flight: "asyncio.Queue[asyncio.Task[bytes] | None]"
    ) -> None:
        while answering := await in_flight.get():
            buffer.write(await answering)
            self._free_slots.release()
