"""An edge in the test's own loop, over real sockets, in front of a real Redis."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.bounds import Bounds
from edge.contract import EdgeLink, LinkStore, Settings, open_link_store, serve_edge
from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer
from tests.fixtures.stopwatch import stopwatch

DESTINATION = b"https://example.com/landing"
DEADLINE_S = 180
PATIENT = Bounds(deadline_s=60.0)


class Edge:
    """A running edge: its address, its link store, its clicks."""

    def __init__(self, port: int, store: LinkStore, spool: Path) -> None:
        self.port = port
        self.store = store
        self._spool = spool
        self.readiness: str | None = "not started"

    async def put(self, number: int, code: str, link: EdgeLink | None = None, *personal: str) -> EdgeLink:
        """Store a link under its code, and the personal codes with it."""
        link = link or EdgeLink(number, "tenant", code, "", DESTINATION)
        await self.store.put_link(f"lnk_{number}", number, link, b"{}")
        holders = await self.store.claim_codes("", [code, *personal], number)
        assert set(holders) == {number}
        return link

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def get(self, path: str, **headers: str) -> "Reply":
        return await self.ask("GET", path, **headers)

    async def ask(self, method: str, path: str, *, host: str = "localhost", **headers: str) -> "Reply":
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, "", ""))
        return (await self.send(head.encode("latin-1"), replies=1))[0]

    async def send(self, data: bytes, *, replies: int) -> "list[Reply]":
        """Send bytes on a connection of their own, and read so many replies."""
        reader, writer = await self.connect()
        try:
            writer.write(data)
            without_body = data.startswith(b"HEAD")
            async with asyncio.timeout(DEADLINE_S):
                return [await Reply.read(reader, without_body=without_body) for _ in range(replies)]
        finally:
            writer.close()

    async def send_until_closed(self, data: bytes, *, within_s: float) -> bytes:
        """Send bytes, and read all until the edge closes; what came so far if it does not within the time."""
        reader, writer = await self.connect()
        received = b""
        try:
            writer.write(data)
            async with asyncio.timeout(within_s):
                while chunk := await reader.read(65_536):
                    received += chunk
        except (TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()
        return received

    def clicks(self) -> list[dict[str, object]]:
        """All clicks in the spool, in order."""
        logs = sorted(self._spool.glob("*/*.log"))
        return [json.loads(line[9:]) for log in logs for line in log.read_bytes().splitlines()]

    def hits(self) -> list[dict[str, object]]:
        """The clicks that found a link."""
        return [click for click in self.clicks() if click["outcome"] != "not_found"]

    def orphans(self) -> list[dict[str, object]]:
        """The clicks that did not."""
        return [click for click in self.clicks() if click["outcome"] == "not_found"]


class Reply:
    """One HTTP reply as it came: `raw` is all of it."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.raw = head + body
        self.body = body
        status_line, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(status_line.split()[1])
        self.headers = dict(line.split(": ", 1) for line in lines if line)

    @property
    def location(self) -> str:
        return self.headers["Location"]

    @classmethod
    async def read(cls, reader: asyncio.StreamReader, *, without_body: bool = False) -> "Reply":
        head = await reader.readuntil(b"\r\n\r\n")
        reply = cls(head, b"")
        if without_body:
            return reply
        return cls(head, await reader.readexactly(int(reply.headers["Content-Length"])))


async def until(condition: Callable[[], bool], *, promised_s: float | None = None) -> None:
    """As `until_async`."""

    async def holds() -> bool:
        return condition()

    await until_async(holds, promised_s=promised_s)


async def until_async(condition: Callable[[], Awaitable[bool]], *, promised_s: float | None = None) -> None:
    """Wait until the condition holds. Raises `BrokenPromiseError` where it took longer than is promised.

    Without a promise three minutes end a test that waits in vain: `TimeoutError`.
    """
    begun = stopwatch.start()
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.005)
    if promised_s is not None:
        stopwatch.check(begun, promised_s)


@asynccontextmanager
async def running_edge(
    redis_url: str, store_url: str, folder: Path, *, await_ready: bool = True, **overrides: object
) -> AsyncIterator[Edge]:
    """An edge that looks codes up by `redis_url`; the test writes links by `store_url`."""
    settings = Settings(_env_file=None, redis_url=redis_url, data_dir=folder, **overrides)
    store = open_link_store(store_url)
    if await_ready:
        await store.mark_whole(0)  # as the api does at its first start: the links that it lacks don't exist
    edge = Edge(free_port(), store, settings.spool_dir)
    stop = asyncio.Event()

    def note(reason: str | None) -> None:
        edge.readiness = reason

    clock = {"clock_ms": overrides.pop("clock_ms")} if "clock_ms" in overrides else {}
    serving = asyncio.create_task(
        serve_edge(settings, host="127.0.0.1", port=edge.port, stop=stop, on_readiness=note, **clock)
    )
    try:
        if await_ready:
            await until(lambda: edge.readiness is None or serving.done())
        yield edge
    finally:
        stop.set()
        await serving
        await store.close()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that is silent for a moment counts as down. Here it runs, and only the machine may be slow.

    Where deadlines are what is tested, this fixture is overridden.
    """
    monkeypatch.setattr("edge.worker.BOUNDS", PATIENT)
    for bound in (
        "edge.redis_connection.TIMEOUT_S",
        "edge.redis_connection.DEADLINE_S",
    ):
        monkeypatch.setattr(bound, 60.0)


@pytest.fixture
async def edge(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Edge]:
    async with running_edge(redis_server.url, redis_server.url, tmp_path) as running:
        yield running
