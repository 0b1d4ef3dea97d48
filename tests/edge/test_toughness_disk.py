"""A disk that takes nothing stops no redirect: what is lost is counted, and spooling goes on afterwards."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from edge.worker import serve_worker
from edge.worker_settings import WorkerSettings
from tests.edge.conftest import Edge, open_link_store, until, until_async
from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer


@contextmanager
def segment_is(path: str, flags: int, spool: Path) -> Iterator[None]:
    """Let the open segment's file descriptor be another file's: the kernel refuses as a bad disk would."""
    [segment] = spool.glob("*/*.log")
    [fd] = [int(fd.name) for fd in Path("/proc/self/fd").iterdir() if _target(fd) == segment]
    real, other = os.dup(fd), os.open(path, flags)
    os.dup2(other, fd)
    try:
        yield
    finally:
        os.dup2(real, fd)
        os.close(real)
        os.close(other)


def _target(fd: Path) -> Path | None:
    try:
        return fd.readlink()
    except FileNotFoundError:
        return None  # closed since it was listed


@asynccontextmanager
async def counted_edge(redis: RedisServer, spool: Path) -> AsyncIterator[tuple[Edge, CollectorRegistry]]:
    """A worker that spools to this folder, with the link `own12345`, and what it counts."""
    store = open_link_store(redis.url)
    edge = Edge(free_port(), store, spool)
    await edge.put(1, "own12345")
    registry, stop, ready = CollectorRegistry(), asyncio.Event(), asyncio.Event()
    settings = WorkerSettings(redis.url, spool, "127.0.0.1", edge.port, "localhost:8080")
    serving = asyncio.create_task(
        serve_worker(
            settings,
            stop=stop,
            registry=registry,
            on_readiness=lambda reason: ready.set() if reason is None else None,
        )
    )
    await ready.wait()
    try:
        yield edge, registry
    finally:
        stop.set()
        await serving
        await store.close()


@pytest.mark.parametrize(
    ("path", "flags"), [("/dev/full", os.O_WRONLY), ("/dev/null", os.O_RDONLY)], ids=["full", "read-only"]
)
async def test_redirects_go_on_and_lost_clicks_are_counted(
    redis_server: RedisServer, tmp_path: Path, path: str, flags: int
) -> None:
    async with counted_edge(redis_server, tmp_path) as (edge, registry):
        assert (await edge.get("/own12345")).status == 302
        with segment_is(path, flags, tmp_path):
            for _ in range(10):
                assert (await edge.get("/own12345")).status == 302
            await until(lambda: registry.get_sample_value("smartlinks_edge_clicks_dropped_total") == 10)
        assert (await edge.get("/own12345")).status == 302
    assert [click["seq"] for click in edge.clicks()] == [1, 12]
    assert registry.get_sample_value("smartlinks_edge_clicks_spooled_total") == 2


async def test_a_worker_that_starts_without_a_spool_serves_and_makes_it_later(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """As on a disk that is read-only: a worker started again then would else leave nobody to answer."""
    spool = tmp_path / "spool"
    spool.write_text("a file, so no folder can be made")
    async with counted_edge(redis_server, spool) as (edge, registry):
        answered = 3
        for _ in range(answered):
            assert (await edge.get("/own12345")).status == 302
        await until(lambda: registry.get_sample_value("smartlinks_edge_clicks_dropped_total") == answered)
        spool.unlink()

        async def is_spooled() -> bool:
            nonlocal answered
            assert (await edge.get("/own12345")).status == 302
            answered += 1
            return len(edge.clicks()) > 0

        await until_async(is_spooled)
    assert [click["seq"] for click in edge.clicks()] == [answered]  # the ledger counts those that are missing
    assert registry.get_sample_value("smartlinks_edge_clicks_spooled_total") == 1
    assert registry.get_sample_value("smartlinks_edge_clicks_dropped_total") == answered - 1


async def test_a_worker_without_a_spool_stops_as_others_do(redis_server: RedisServer, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.write_text("a file, so no folder can be made")
    async with counted_edge(redis_server, spool) as (edge, _):
        assert (await edge.get("/own12345")).status == 302
    with pytest.raises(ConnectionRefusedError):
        await edge.connect()
