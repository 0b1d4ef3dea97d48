"""Stands between an edge and its Redis, and does to their conversation what a test wants."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.edge.conftest import Edge, running_edge
from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer


class Proxy:
    """Stands between the edge and Redis: holds replies back, cuts connections, or tampers with replies."""

    def __init__(self, target: Path) -> None:
        self.port = free_port()
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.tamper = lambda reply: reply
        self.cut_after_bytes: int | None = None
        self.asked = self.asked_links = 0
        self.delay_s = 0.0
        self.piece_bytes: Callable[[], int] | None = None
        self.cut_every: int | None = None
        self.target = target
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Reset all connections."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            redis_reader, redis_writer = await asyncio.open_unix_connection(str(self.target))
        except OSError:  # stopped
            writer.transport.abort()
            return
        self._writers |= {writer, redis_writer}
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, redis_writer, replies=False))
                pumps.create_task(self._pump(redis_reader, writer, replies=True))
        except* ConnectionError:
            pass
        finally:
            writer.close()
            redis_writer.close()
            self._writers -= {writer, redis_writer}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool
    ) -> None:
        while data := await reader.read(65_536):
            if not replies:
                self.asked += data.count(b"HGET")
                self.asked_links += data.count(b"HMGET")
                if self.cut_every is not None and self.asked >= self.cut_every:
                    self.asked = 0
                    self.cut()
            else:
                await self.flowing.wait()
                await asyncio.sleep(self.delay_s)
                data = self.tamper(data)
                if self.cut_after_bytes is not None and (keep := self.cut_after_bytes) < len(data):
                    writer.write(data[:keep])
                    raise ConnectionResetError
                while self.piece_bytes is not None and data:
                    piece, data = data[: (size := self.piece_bytes())], data[size:]
                    writer.write(piece)
                    for _ in range(5):  # so that it is read by itself
                        await asyncio.sleep(0)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@asynccontextmanager
async def behind_proxy(redis: RedisServer, folder: Path) -> AsyncIterator[tuple[Edge, Proxy]]:
    proxy = Proxy(redis.socket_path)
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", proxy.port)
    async with running_edge(proxy.url, redis.url, folder) as edge:
        yield edge, proxy
    listener.close()
