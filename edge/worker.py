"""One edge worker: everything that serves redirects in one process and one loop."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

import orjson
import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry

from edge import compiled
from edge.answers import RenderedAnswers
from edge.bounds import BOUNDS
from edge.counters import Counters
from edge.domains import Domains
from edge.http import SlowPath
from edge.lane import Lane
from edge.lane_handler import LaneHandler
from edge.listeners import stop_listening
from edge.logs import configure_logging
from edge.metrics import EdgeMetrics
from edge.redirector import Redirector
from edge.redis_address import parse_redis_url
from edge.resolver import Resolver
from edge.spool_keeping import keep_spool, open_spool
from edge.worker_settings import WorkerSettings

BACKLOG: Final = 4_096
SOCKET_BUFFER_BYTES: Final = 16 * 1024  # Linux doubles it, for what it keeps beside the bytes
FIRST_CONNECTION_S: Final = 1.0  # a Redis that refuses does so at once; only one that hangs is waited for
IDLE_GRACE_S: Final = 1.0
DRAIN_S: Final = 5.0
DRAIN_LOOK_S: Final = 0.02
READINESS_LOOK_S: Final = 0.1
SWEEP_S: Final = 1.0
GC_THRESHOLDS: Final = (50_000, 20, 50)  # requests make no cycles; connections make few

_log = logging.getLogger(__name__)
OnReadiness = Callable[[str | None], None]


def wall_clock_ms() -> int:
    """Unix time in ms."""
    return time.time_ns() // 1_000_000


async def serve_worker(
    settings: WorkerSettings,
    *,
    stop: asyncio.Event,
    clock_ms: Callable[[], int] = wall_clock_ms,
    registry: CollectorRegistry | None = None,
    on_readiness: OnReadiness = lambda _reason: None,
) -> None:
    """Serve until `stop` is set, then drain and return.

    Draining: accept no more, answer what is under way, and close each connection after its next answer or
    after `IDLE_GRACE_S` without one. `clock_ms` dates clicks and answers and decides on expiry.
    `on_readiness` is told at each change why the worker is not ready, None when it is; the first time once
    it listens. Raises `OSError` where it can't listen.
    """
    loop = asyncio.get_running_loop()
    counters = Counters()
    answers = RenderedAnswers()
    domains = Domains(settings.default_domain)
    redis = parse_redis_url(settings.redis_url)
    redirector = Redirector(
        redis, open_spool(settings.spool_dir), counters, clock_ms, answers, domains, BOUNDS
    )
    lane = Lane(redirector, answers, domains, settings.trusted_proxies)
    server = web.Server(SlowPath(redirector, answers, domains).handle)
    with contextlib.suppress(TimeoutError):  # so that from its first request on it knows all domains
        async with asyncio.timeout(FIRST_CONNECTION_S):
            await redirector.resolver.connect()

    def new_handler() -> LaneHandler:
        return LaneHandler(lane, server, loop)

    listener = await loop.create_server(
        new_handler,
        settings.host,
        settings.port,
        reuse_port=True,
        backlog=BACKLOG,
    )
    for each in listener.sockets:
        _bound_buffers(each)
    is_compiled = compiled.is_in_use()
    _log.info("the redirect path runs %s", "compiled" if is_compiled else "interpreted (see edge/compile.py)")
    metrics = EdgeMetrics(registry or CollectorRegistry(), is_compiled=is_compiled)
    drained = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:  # a task that fails ends the worker: its parent starts another
        until_drained = [
            tasks.create_task(redirector.resolver.run()),
            tasks.create_task(_report_readiness(redirector.resolver, on_readiness)),
        ]
        tasks.create_task(_sweep_each_second(drained, lane, metrics, counters, redirector))
        tasks.create_task(keep_spool(redirector, settings.spool_dir, drained))
        try:
            await stop.wait()
            for connection in await stop_listening(listener):
                await loop.connect_accepted_socket(new_handler, connection)
            await _drain(lane, server, redirector, answers)
        finally:
            drained.set()
        for task in until_drained:
            task.cancel()
    redirector.resolver.close()
    redirector.spool.close()
    metrics.publish(counters, redirector.spool.unsynced_bytes)


async def _drain(lane: Lane, server: web.Server, redirector: Redirector, answers: RenderedAnswers) -> None:
    answers.close_after_each()
    redirector.release()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while lane.connections and loop.time() - begun < DRAIN_S:
        if loop.time() - begun >= IDLE_GRACE_S and all(each.is_idle for each in lane.connections):
            break
        await asyncio.sleep(DRAIN_LOOK_S)
    await server.shutdown(timeout=1.0)


async def _report_readiness(resolver: Resolver, on_readiness: OnReadiness) -> None:
    reported: object = ...
    while True:
        reason = resolver.down_reason
        if reason != reported:
            reported = reason
            on_readiness(reason)
        await asyncio.sleep(READINESS_LOOK_S)


async def _sweep_each_second(
    drained: asyncio.Event, lane: Lane, metrics: EdgeMetrics, counters: Counters, redirector: Redirector
) -> None:
    while not await _is_set_within(drained, SWEEP_S):
        await lane.sweep(asyncio.get_running_loop().time())
        metrics.publish(counters, redirector.spool.unsynced_bytes)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def _serve_for_parent(channel: socket.socket) -> None:
    """Serve by the settings that come first on the channel, until SIGTERM or until the parent is gone."""
    reader, writer = await asyncio.open_connection(sock=channel)
    settings = WorkerSettings.from_json(await reader.readline())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    watching = asyncio.create_task(_set_at_end(reader, stop))

    def report(reason: str | None) -> None:
        if not watching.done():
            writer.write(orjson.dumps({"reason": reason}) + b"\n")

    await serve_worker(settings, stop=stop, on_readiness=report)
    watching.cancel()
    writer.close()


async def _set_at_end(reader: asyncio.StreamReader, stop: asyncio.Event) -> None:
    with contextlib.suppress(ConnectionError):  # a parent killed before it read all we reported
        await reader.read()
    stop.set()


def _bound_buffers(listener: socket.socket) -> None:
    """Bound what the kernel keeps of a client that does not read, or asks for more than it is answered.

    Else it grows to megabytes for each, and all that is in the second buffer is read at once.
    """
    with socket.socket(fileno=os.dup(listener.fileno())) as same:  # uvloop's own sets no options
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            same.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)


def _raise_file_limit() -> None:
    """Let the process hold as many connections as the system allows it, not the 1,024 of a plain shell."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """`python -m edge.worker <file descriptor of the channel to the parent>`."""
    configure_logging("edge")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    _raise_file_limit()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    uvloop.run(_serve_for_parent(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
