"""kill -9 of each kind of process, again and again, under load: what was answered is counted, once.

A click is known by its `Referer`, new for each request. Exact means: every 302 that the client read is stored
once, what it did not read at most once, and nothing else at all; and every rollup agrees with the rows.
"""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Callable

import pytest

from tests.fixtures.system import System, stored_clicks, wait_until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(600)]

KILLS = 10
CONNECTIONS = 16

AGENT = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36"
)


class Load:
    """Clients that click for ever and remember what they sent and what was answered."""

    def __init__(self, system: System, paths: list[str]) -> None:
        self.system = system
        self.paths = itertools.cycle(paths)
        self.sent: set[str] = set()
        self.answered: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.wrong: list[bytes] = []
        self._numbers = itertools.count()

    async def run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(CONNECTIONS)))

    async def _client(self) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.system.edge_port)
                try:
                    while True:
                        await self._click(reader, writer)
                        await asyncio.sleep(0.005)  # the pace of the load, not a wait for anything
                finally:
                    writer.close()
            await asyncio.sleep(0.02)  # the pace of reconnecting

    async def _click(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tag = f"https://tag.example.com/{next(self._numbers)}"
        path = next(self.paths)
        self.sent.add(tag)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost:{self.system.edge_port}\r\nUser-Agent: {AGENT}\r\n"
            f"Referer: {tag}\r\nAccept: */*\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        self.statuses[status] += 1
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await reader.readexactly(int(line.partition(b":")[2]))
        if status == 302:
            self.answered.add(tag)
            if b"/landing" not in head:
                self.wrong.append(head)


def prepare(system: System) -> list[str]:
    with system.api as api:
        made = api.post("/v1/links", json={"destination_url": "https://shop.example.com/landing"})
        assert made.status_code == 201, made.text
        link = made.json()
        minted = api.post(
            f"/v1/links/{link['id']}/recipients",
            json={"recipients": [{"recipient": f"+4179{number:07d}"} for number in range(500)]},
        ).json()
    rows = minted["recipients"] if "recipients" in minted else minted["data"]
    prefix = f"http://localhost:{system.edge_port}"
    return [row["short_url"].removeprefix(prefix) for row in rows]


async def drill(system: System, kill: Callable[[], None]) -> Load:
    """Load all the while; kill, wait until all is ready again, ten times over."""
    load = Load(system, prepare(system))
    running = asyncio.create_task(load.run())
    try:
        for _ in range(KILLS):
            before = len(load.answered)
            await asyncio.to_thread(
                wait_until, "clicks answered", lambda seen=before: len(load.answered) > seen + 200
            )
            await asyncio.to_thread(kill)
            await asyncio.to_thread(system.wait_ready, deadline_s=30.0)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    return load


def check_exact(system: System, load: Load) -> None:
    """Stop the system and hold what is stored against what was sent and answered."""
    assert load.wrong == []
    assert 404 not in load.statuses, load.statuses
    wait_until("an empty spool", lambda: system.metric(1, "smartlinks_ingest_lag_bytes") == 0.0)
    assert system.stop(deadline_s=60.0) == 0
    assert len(load.answered) >= KILLS * 200
    stored = Counter(
        {
            str(tag): int(str(count))
            for tag, count in stored_clicks(
                system.data_dir, "SELECT referer, count() FROM clicks GROUP BY referer"
            )
        }
    )
    repeated = {tag: count for tag, count in stored.items() if count > 1}
    assert repeated == {}
    assert load.answered - stored.keys() == set()
    assert stored.keys() - load.sent == set()
    [[rows, rollup, sources]] = stored_clicks(
        system.data_dir,
        "SELECT (SELECT count() FROM clicks), (SELECT sum(clicks) FROM click_changes WHERE scope = 'tenant'),"
        " (SELECT sum(clicks) FROM click_sources)",
    )
    assert rows == rollup == sources == len(stored)


def kill_one(system: System, words: str) -> None:
    wait_until(f"a process {words}", lambda: system.processes(words))[0].kill()


@pytest.mark.parametrize("words", ["edge.worker", "-m edge", "deploy.standalone.analytics", "redis-server"])
async def test_kill_9_of_a_child_loses_and_repeats_nothing(
    words: str, new_system: Callable[..., System]
) -> None:
    system = new_system()
    await asyncio.to_thread(system.start)
    load = await drill(system, lambda: kill_one(system, words))
    await asyncio.to_thread(check_exact, system, load)


async def test_kill_9_of_the_supervisor_loses_and_repeats_nothing(
    new_system: Callable[..., System],
) -> None:
    system = new_system()
    await asyncio.to_thread(system.start)

    def kill_and_start_again() -> None:
        assert system.process is not None
        system.process.kill()
        system.process.wait()
        system.start()

    load = await drill(system, kill_and_start_again)
    await asyncio.to_thread(check_exact, system, load)
