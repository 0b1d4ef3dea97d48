"""Requests and streams over HTTP, with retries where they can do no harm.

A request is tried again where the server says 429 or 503, after its `Retry-After`, and a read also where the
connection broke. Streams are never tried again: whoever has the lines knows which of them have their verdict.
"""

import asyncio
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import orjson

from api.client.answers import Json
from api.client.errors import ApiError, ClientError, UnreachableError

NDJSON: Final = "application/x-ndjson"
TRIES: Final = 4
MAX_WAIT_S: Final = 30.0
REQUEST_TIMEOUT_S: Final = 60.0
_PIECE_BYTES: Final = 64 * 1024
_RETRIED: Final = (429, 503)

Lines = AsyncIterable[bytes] | Iterable[bytes]
Parameters = Mapping[str, object]


class Transport:
    """One API and one key. Owns its connections; use it as an async context manager."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self, method: str, path: str, parameters: Parameters | None = None, body: object = None
    ) -> Json:
        """The JSON that is answered; an empty dict where nothing is. Raises `ClientError`."""
        answer = await self.fetch(method, path, parameters, body)
        try:
            found: Json = orjson.loads(answer) if answer else {}
        except orjson.JSONDecodeError:
            raise self._no_api("no JSON") from None
        return found

    async def fetch(
        self, method: str, path: str, parameters: Parameters | None = None, body: object = None
    ) -> bytes:
        """The bytes that are answered. Raises `ClientError`."""
        headers = {"Idempotency-Key": f'"{secrets.token_hex(16)}"'} if method == "POST" else {}
        data = None if body is None else orjson.dumps(body)
        if data is not None:
            headers["Content-Type"] = "application/json"
        for last_try in (False,) * (TRIES - 1) + (True,):
            try:
                async with self._open().request(
                    method,
                    self._url + path,
                    params=_plain(parameters),
                    data=data,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
                ) as answer:
                    content = await answer.read()
                    if answer.status < 400:
                        return content
                    if last_try or answer.status not in _RETRIED:
                        raise self._problem(answer.status, content)
                    await asyncio.sleep(_wait_s(answer.headers.get("Retry-After")))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if last_try or method != "GET":
                    raise self._unreachable(error) from error
                await asyncio.sleep(_wait_s(None))
        raise AssertionError("unreachable")

    async def send_lines(
        self, path: str, lines: Lines, parameters: Parameters | None = None, content_type: str = NDJSON
    ) -> AsyncIterator[list[Any]]:
        """Verdicts as they come, a list of those of each piece of the answer. Raises `ClientError`.

        `lines` end with a newline each. They are taken as the server takes them. What their iterator raises
        is raised here.
        """
        pieces = _Pieces(lines)
        headers = {"Content-Type": content_type}
        try:
            async for block in self.receive("POST", path, parameters, data=aiter(pieces), headers=headers):
                if verdicts := [orjson.loads(line) for line in block.split(b"\n") if line]:
                    yield verdicts
        except UnreachableError:
            if pieces.error is not None:
                raise pieces.error from None
            raise

    async def receive(
        self,
        method: str,
        path: str,
        parameters: Parameters | None = None,
        *,
        data: AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        by_line: bool = True,
    ) -> AsyncIterator[bytes]:
        """A long answer in pieces; with `by_line` each ends where a line does. Raises `ClientError`."""
        try:
            async with self._open().request(
                method,
                self._url + path,
                params=_plain(parameters),
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            ) as answer:
                if answer.status >= 400:
                    raise self._problem(answer.status, await answer.read())
                rest = b""
                async for piece in answer.content.iter_any():
                    if not by_line:
                        yield piece
                        continue
                    whole, newline, tail = piece.rpartition(b"\n")
                    if newline:
                        yield rest + whole + newline
                        rest = tail
                    else:
                        rest += piece
                if rest:
                    yield rest
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is closed: use it in a with block")
        return self._session

    def _unreachable(self, error: Exception) -> UnreachableError:
        reason = str(error) or type(error).__name__
        return UnreachableError(f"No answer from {self._url}: {reason}. Is it running?")

    def _problem(self, status: int, content: bytes) -> ClientError:
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError:
            document = None
        if isinstance(document, dict):
            return ApiError(status, document)
        return self._no_api(f"HTTP status {status} without a problem document")

    def _no_api(self, answer: str) -> UnreachableError:
        return UnreachableError(
            f"{self._url} answers {answer}. Is that the API, and not the edge or a proxy before it?"
        )


class _Pieces:
    """Many lines a piece: a piece of its own would cost each line ten times as much.

    `error` is what the iterator of the lines raised: the connection breaks by it, and would hide it.
    """

    def __init__(self, lines: Lines) -> None:
        self.error: Exception | None = None
        self._lines = lines

    async def __aiter__(self) -> AsyncIterator[bytes]:
        piece = bytearray()
        try:
            if isinstance(self._lines, AsyncIterable):
                async for line in self._lines:
                    piece += line
                    if len(piece) >= _PIECE_BYTES:
                        yield bytes(piece)
                        piece.clear()
            else:
                for line in self._lines:
                    piece += line
                    if len(piece) >= _PIECE_BYTES:
                        yield bytes(piece)
                        piece.clear()
        except Exception as error:
            self.error = error
            raise
        yield bytes(piece)


def _wait_s(retry_after: str | None) -> float:
    asked = float(retry_after) if retry_after is not None and retry_after.isdecimal() else 1.0
    return min(asked, MAX_WAIT_S)


def _plain(parameters: Parameters | None) -> dict[str, str]:
    """Those that are given, as they stand in a URL."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in (parameters or {}).items()
        if value is not None
    }
