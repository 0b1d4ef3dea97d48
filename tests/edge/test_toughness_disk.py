"""A disk that takes nothing stops no redirect: what is lost is counted, and spooling goes on afterwards."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from edge.worker import serve_worker
from edge.worker_settings import WorkerSettings
from tests.edge.conftest import Edge, open_link_store, until
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


@pytest.mark.parametrize(
    ("path", "flags"), [("/dev/full", os.O_WRONLY), ("/dev/null", os.O_RDONLY)], ids=["full", "read-only"]
)
async def test_redirects_go_on_and_lost_clicks_are_counted(
    redis_server: RedisServer, tmp_path: Path, path: str, flags: int
) -> None:
    store = open_link_store(redis_server.url)
    edge = Edge(free_port(), store, tmp_path)
    await edge.put(1, "own12345")
    registry, stop, ready = CollectorRegistry(), asyncio.Event(), asyncio.Event()
    settings = WorkerSettings(redis_server.url, tmp_path, "127.0.0.1", edge.port, "localhost:8080")
    serving = asyncio.create_task(
        serve_worker(
            settings,
            stop=stop,
            registry=registry,
            on_readiness=lambda reason: ready.set() if reason is None else None,
        )
    )
    await ready.wait()
    assert (await edge.get("/own12345")).status == 302
    with segment_is(path, flags, tmp_path):
        for _ in range(10):
            assert (await edge.get("/own12345")).status == 302
        await until(
            lambda: registry.get_sample_value("smartlinks_edge_clicks_dropped_total") == 10,
        )
    assert (await edge.get("/own12345")).status == 302
    stop.set()
    await serving
    await store.close()
    assert [click["seq"] for click in edge.clicks()] == [1, 12]
    assert registry.get_sample_value("smartlinks_edge_clicks_spooled_total") == 2
