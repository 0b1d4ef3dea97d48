"""A proxy before a ClickHouse server that swallows replies: the insert is done, and nobody hears of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

CHUNK_BYTES = 256 * 1024


class CuttingProxy:
    """Relays HTTP; of two of three inserts into `table` the reply is cut off, `cuts_left` times.

    Two in a row, because the client itself tries once more on a connection that was closed.
    """

    def __init__(self, upstream_url: str, table: str, cuts: int) -> None:
        upstream = urlsplit(upstream_url)
        self._host, self._port = upstream.hostname, upstream.port
        self._marks = (b"INSERT", table.encode())
        self._inserts = 0
        self.cuts_left = cuts
        self.request_bytes = 0
        """Of all requests together."""

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(self._host, self._port)
        try:
            while request := await _read_message(reader):
                self.request_bytes += len(request)
                upstream_writer.write(request)
                reply = await _read_message(upstream_reader)
                if self._is_cut(request):
                    return
                writer.write(reply)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            return  # the other side is gone, or the proxy ends
        finally:
            upstream_writer.close()
            writer.transport.abort()

    def _is_cut(self, request: bytes) -> bool:
        if not self.cuts_left or any(mark not in request for mark in self._marks):
            return False
        self._inserts += 1
        if self._inserts % 3 == 0:
            return False
        self.cuts_left -= 1
        return True


@asynccontextmanager
async def cutting_proxy(upstream_url: str, table: str, cuts: int) -> AsyncIterator[tuple[str, CuttingProxy]]:
    """The proxy's URL and the proxy, while it runs."""
    proxy = CuttingProxy(upstream_url, table, cuts)
    server = await asyncio.start_server(proxy.relay, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", proxy
    finally:
        server.close()


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    """One whole HTTP message, by its length or its chunks; empty at the end of the connection."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
        fields = {name.lower(): value.strip() for name, _, value in lines}
        if fields.get(b"transfer-encoding", b"").lower() != b"chunked":
            return head + await reader.readexactly(int(fields.get(b"content-length", b"0")))
        parts = [head]
        while True:
            size = await reader.readuntil(b"\r\n")
            parts += [size, await reader.readexactly(int(size, 16) + 2)]
            if int(size, 16) == 0:
                return b"".join(parts)
    return b""
