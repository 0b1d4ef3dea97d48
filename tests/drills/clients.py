"""Clients that click without end, and writers that spool as an edge's workers do."""

import asyncio
import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from edge.contract import SpoolWriter, frame
from tests.drills.exact import TAG
from tests.ingest.click_events import click_json

AGENT = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36"
)
RECONNECT_S = 0.02
BEAT_S = 0.1


class Clients:
    """Each click has a tag of its own, `TAG` and its number; the paths are asked for in turns.

    `asked` has the tags that were sent; `answered` those whose 302 was read whole, with the Unix times of
    request and reply; `destinations` where those led to.
    """

    def __init__(self, port: int, paths: Sequence[str], *, pace_s: float, first: int = 0) -> None:
        self.asked: set[str] = set()
        self.answered: dict[str, tuple[float, float]] = {}
        self.statuses: Counter[int] = Counter()
        self.destinations: set[str] = set()
        self._port = port
        self._paths = itertools.cycle(paths)
        self._pace_s = pace_s
        self._numbers = itertools.count(first)
        self._stop = asyncio.Event()

    async def run(self, connections: int) -> None:
        """Click until `stop`; a client whose connection breaks makes a new one."""
        await asyncio.gather(*(self._client() for _ in range(connections)))

    def stop(self) -> None:
        self._stop.set()

    async def _client(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    while not self._stop.is_set():
                        await self._click(reader, writer)
                        await asyncio.sleep(self._pace_s)
                finally:
                    writer.close()
            await asyncio.sleep(RECONNECT_S)

    async def _click(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tag = f"{TAG}{next(self._numbers)}"
        self.asked.add(tag)
        asked_s = time.time()
        writer.write(
            f"GET {next(self._paths)} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {AGENT}\r\n"
            f"Referer: {tag}\r\nAccept: */*\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:-2])
        await reader.readexactly(int(headers["Content-Length"]))
        self.statuses[status] += 1
        if status == 302:
            self.destinations.add(headers["Location"])
            self.answered[tag] = (asked_s, time.time())


@contextmanager
def clicking(
    port: int, paths: Sequence[str], *, pace_s: float = 0.03, connections: int = 16, first: int = 0
) -> Iterator[Clients]:
    """Clients in a thread of their own, clicking from now to the end; some 400 clicks a second.

    `first` is the number of the first tag.
    """
    started: list[tuple[asyncio.AbstractEventLoop, Clients]] = []
    ready = threading.Event()

    async def click() -> None:
        clients = Clients(port, paths, pace_s=pace_s, first=first)
        started.append((asyncio.get_running_loop(), clients))
        ready.set()
        await clients.run(connections)

    thread = threading.Thread(target=asyncio.run, args=(click(),))
    thread.start()
    ready.wait()
    loop, clients = started[0]
    try:
        yield clients
    finally:
        loop.call_soon_threadsafe(clients.stop)
        thread.join()


class Crowd:
    """Writes clicks to spools of its own, as so many workers would: more load than clients can make here.

    One event of `poison_every` is no click. `spooled` has each spool's last number, `poisoned` the numbers of
    what is no click.
    """

    def __init__(self, spool_dir: Path, *, spools: int, rate: float, poison_every: int = 0) -> None:
        self.spooled: dict[int, int] = {}
        self.poisoned: list[tuple[int, int]] = []
        self._writers = [SpoolWriter(spool_dir) for _ in range(spools)]
        self._rate = rate
        self._poison_every = poison_every
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for writer in self._writers:
            writer.close()

    @property
    def clicks(self) -> int:
        return sum(self.spooled.values()) - len(self.poisoned)

    def _write(self) -> None:
        lot = max(1, round(self._rate * BEAT_S / len(self._writers)))
        due_s = time.monotonic()
        while not self._stop.is_set():
            for writer in self._writers:
                writer.append(b"".join(self._click(writer) for _ in range(lot)))
            due_s += BEAT_S
            self._stop.wait(max(0.0, due_s - time.monotonic()))

    def _click(self, writer: SpoolWriter) -> bytes:
        seq = writer.take_seq()
        self.spooled[writer.source] = seq
        is_poisoned = self._poison_every and next(self._numbers) % self._poison_every == 0
        if is_poisoned:
            self.poisoned.append((writer.source, seq))
        now_ms = time.time_ns() // 1_000_000
        method = "PUT" if is_poisoned else "GET"
        return frame(click_json(source=writer.source, seq=seq, ts=now_ms, link=2 + seq % 5, method=method))
