"""NDJSON in, NDJSON out: a line for a line, in order, in constant memory.

Many clients send all of a request before they read any of the answer. Their answer must not wait for them,
nor they for it: what they don't read yet is kept on disk (`DiskBuffer`), never in memory.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

NDJSON_TYPES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
MAX_LINE_BYTES: Final = 64 * 1024
LINES_A_CHUNK: Final = 5000
MAX_CHUNK_BYTES: Final = 4 * 1024 * 1024
_READ_BYTES = 256 * 1024

Answer = Callable[[Sequence["Line"]], Awaitable[bytes]]
"""Answers a chunk of lines with as many lines, each with its newline. Must not raise."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the body: its number from 1, blank ones counted, and its bytes; None where it is too long."""

    number: int
    value: bytes | None


async def read_lines(body: AsyncIterator[bytes]) -> AsyncIterator[Line]:
    """The lines of a body, blank ones left out. Holds one line of at most `MAX_LINE_BYTES` at a time."""
    number = 0
    rest = b""
    too_long = False
    async for chunk in body:
        *whole, tail = chunk.split(b"\n")
        for piece in whole:
            number += 1
            line = Line(number, None) if too_long else _line(number, rest + piece)
            rest, too_long = b"", False
            if line is not None:
                yield line
        too_long = too_long or len(rest) + len(tail) > MAX_LINE_BYTES
        rest = b"" if too_long else rest + tail
    if too_long or rest.strip():
        yield Line(number + 1, None if too_long else rest)


def _line(number: int, value: bytes) -> Line | None:
    if len(value) > MAX_LINE_BYTES:
        return Line(number, None)
    return Line(number, value) if value.strip() else None


async def cut_chunks(lines: AsyncIterator[Line]) -> AsyncIterator[list[Line]]:
    """Runs of lines: at most `LINES_A_CHUNK`, and not many more than `MAX_CHUNK_BYTES`."""
    chunk: list[Line] = []
    size = 0
    async for line in lines:
        chunk.append(line)
        size += len(line.value or b"")
        if len(chunk) == LINES_A_CHUNK or size >= MAX_CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


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

    def __init__(self, request: Request, answer: Answer, media_type: str) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self._request = request
        self._answer = answer

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
        try:
            async for chunk in cut_chunks(read_lines(self._request.stream())):
                buffer.write(await self._answer(chunk))
        except ClientDisconnect:
            pass  # nobody is left to be answered; what was answered is done
        finally:
            buffer.end()
