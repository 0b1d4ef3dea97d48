"""`python -m loadtests.bench.variants <name> <redis url> <folder> <port>`: one edge worker, changed.

| name | change |
| --- | --- |
| `server` | every request goes to aiohttp's low-level `web.Server`: the lane takes none |
| `application` | every request goes to an aiohttp `web.Application` with one route |
| `uncached` | caches of at most 200 codes, so that 1,000 codes asked in turns are looked up each time |

All else is the worker as it ships: the same look-ups, decisions, clicks and answers.
"""

import asyncio
import gc
import ipaddress
import signal
import sys
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from edge import worker
from edge.bounds import Bounds
from edge.lane import Lane
from edge.lane_handler import LaneHandler
from edge.worker_settings import WorkerSettings


class ServerHandler(LaneHandler):
    """A connection that is aiohttp's from its first byte on."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._is_handed_over = True


class ApplicationHandler(ServerHandler):
    """A connection whose requests go through an application's router."""

    __slots__ = ()
    _of_application: web.Server | None = None

    def __init__(self, lane: Lane, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        if ApplicationHandler._of_application is None:
            application = web.Application()
            application.router.add_get("/{target:.*}", server.request_handler)
            ApplicationHandler._of_application = application._make_handler(loop=loop)  # noqa: SLF001 - as AppRunner does
        super().__init__(lane, ApplicationHandler._of_application, loop)


async def _serve(settings: WorkerSettings) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await worker.serve_worker(settings, stop=stop)


def main(name: str, redis_url: str, folder: str, port: str) -> None:
    names: dict[str, tuple[Any, str, Any]] = {
        "server": (worker, "LaneHandler", ServerHandler),
        "application": (worker, "LaneHandler", ApplicationHandler),
        "uncached": (worker, "BOUNDS", Bounds(codes_cached=200)),
    }
    setattr(*names[name])
    gc.freeze()
    gc.set_threshold(*worker.GC_THRESHOLDS)
    loopback = (ipaddress.ip_network("127.0.0.0/8"),)
    spool_dir = Path(folder) / "data" / "spool" / "clicks"
    settings = WorkerSettings(redis_url, spool_dir, "127.0.0.1", int(port), "localhost:8080", loopback)
    uvloop.run(_serve(settings))


if __name__ == "__main__":
    main(*sys.argv[1:])
