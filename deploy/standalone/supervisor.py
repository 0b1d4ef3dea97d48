"""Starts the system's programs in order, keeps them running, and stops them in the opposite order.

    Redis ─► edge, shipper and analytics, side by side ─► ready
    stop:    edge ─► shipper ─► analytics ─► Redis

The edge drains before its clicks' readers do, and Redis serves until nobody needs it. There is a shipper
where `EVENTS_URL` names a bus.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from deploy.standalone import redis_server
from deploy.standalone.child import Child
from deploy.standalone.ports import programs, reachable
from deploy.standalone.readiness import reasons_not_ready
from edge.contract import PREFIX, Settings

NotReadyReason = Callable[[], Awaitable[str | None]]

STOPPED_AFTER_S: Final = {"edge": 6.0, "shipper": 7.5, "analytics": 9.0, "redis": 10.0}
"""In their order; what one doesn't need of its time is the next one's."""
_CHILD_OF: Final = {
    "edge": "edge",
    "ingest": "analytics",
    "aggregator": "analytics",
    "api": "analytics",
    "shipper": "shipper",
}
"""The child that runs each of the programs with a metrics port."""
_POLL_S: Final = 0.03
_TELL_EVERY_S: Final = 5.0
_NAME_WIDTH: Final = max(map(len, STOPPED_AFTER_S))


def say(name: str, line: str) -> None:
    """A line of a program, or of the supervisor about it, to whoever watches."""
    with contextlib.suppress(BrokenPipeError):
        print(f"{name:<{_NAME_WIDTH}} | {line}", flush=True)


class Supervisor:
    """Runs one system. `settings` are final: absolute data folder, real ports."""

    def __init__(self, settings: Settings, *, lock_file: int, geoip_path: str | None) -> None:
        self._settings = settings
        self._lock_file = lock_file
        self._environment = _environment(settings, geoip_path)
        self._children: dict[str, Child] = {}

    async def start(self) -> None:
        """Start everything, and return when all of it is ready. Cancel it at any time, then `stop`."""
        if self._settings.redis_url is None:
            configuration = redis_server.configure(self._settings.data_dir)
            self._environment[f"{PREFIX}REDIS_URL"] = redis_server.url(self._settings.data_dir)
            self._start_child("redis", [redis_server.find_server(), str(configuration)])
            await _wait_until_ready("redis", lambda: redis_server.answers(self._settings.data_dir))
            self._children["redis"].was_ready = True
        self._start_child("edge", [sys.executable, "-m", "edge"])
        if self._settings.events_url is not None:
            self._start_child("shipper", [sys.executable, "-m", "ingest.shipper"])
        self._start_child("analytics", [sys.executable, "-m", "deploy.standalone.analytics"])
        async with asyncio.TaskGroup() as waiting:
            for child, asks in self._asks_of_children().items():
                waiting.create_task(self._wait_until_serving(child, asks))

    async def stop(self) -> None:
        """Stop everything in order, within ten seconds: at the end of its time each is killed."""
        started_s = time.monotonic()
        for name, after_s in STOPPED_AFTER_S.items():
            if name in self._children:
                await self._children[name].stop(started_s + after_s - time.monotonic())

    def _asks_of_children(self) -> dict[str, dict[str, NotReadyReason]]:
        """How to ask each program whether it is ready, by the child that runs it."""
        host = reachable(self._settings.api_host)
        asks: dict[str, dict[str, NotReadyReason]] = {}
        for port, program in enumerate(programs(self._settings), self._settings.metrics_port):
            asks.setdefault(_CHILD_OF[program], {})[program] = partial(reasons_not_ready, host, port)
        return asks

    async def _wait_until_serving(self, child: str, asks: Mapping[str, NotReadyReason]) -> None:
        await asyncio.gather(*(_wait_until_ready(program, reason) for program, reason in asks.items()))
        self._children[child].was_ready = True

    def _start_child(self, name: str, command: Sequence[str]) -> None:
        child = Child(name, command, environment=self._environment, lock_file=self._lock_file, say=say)
        self._children[name] = child
        child.start()


async def _wait_until_ready(name: str, reason: NotReadyReason) -> None:
    started_s = told_s = time.monotonic()
    while (why := await reason()) is not None:
        now_s = time.monotonic()
        if now_s - told_s >= _TELL_EVERY_S:
            told_s = now_s
            print(f"  waiting for {name} since {now_s - started_s:.0f} s: {why}", flush=True)
        await asyncio.sleep(_POLL_S)
    print(f"  {name} ready after {time.monotonic() - started_s:.1f} s", flush=True)


def _environment(settings: Settings, geoip_path: str | None) -> dict[str, str]:
    """What children get: the caller's variables, and the settings that were worked out here."""
    worked_out: dict[str, object] = {
        "DATA_DIR": settings.data_dir,
        "EDGE_PORT": settings.edge_port,
        "API_PORT": settings.api_port,
        "DEFAULT_DOMAIN": settings.default_domain,
    }
    if geoip_path is not None:
        worked_out["GEOIP_PATH"] = geoip_path
    return {**os.environ, **{PREFIX + name: str(value) for name, value in worked_out.items()}}
