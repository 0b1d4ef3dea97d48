"""The operators' door of a program: `/metrics`, `/livez` and `/readyz` on its metrics port."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

ReadinessCheck = Callable[[], str | None]


class Ops:
    """Serves one program's metrics and health.

    `registry` holds the program's metrics. With `multiprocess_dir`, `/metrics` answers instead what all
    processes wrote to that folder (prometheus-client's multiprocess mode, `PROMETHEUS_MULTIPROC_DIR`): sums
    over edge workers, those that died included.
    """

    def __init__(
        self, program: str, registry: CollectorRegistry, multiprocess_dir: Path | None = None
    ) -> None:
        self.program = program
        self._registry = registry
        self._multiprocess_dir = multiprocess_dir
        self._checks: dict[str, ReadinessCheck] = {}
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)

    def ready_when(self, name: str, check: ReadinessCheck) -> None:
        """Ready only while `check` answers None; else it answers the reason. It must not block."""
        self._checks[name] = check

    def reasons(self) -> dict[str, str]:
        """Why the program is not ready, by the check's name; empty when it is."""
        found = {name: _reason(check) for name, check in self._checks.items()}
        return {name: reason for name, reason in found.items() if reason is not None}

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises `OSError` where the port is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    @property
    def port(self) -> int:
        """The TCP port it listens on, once started (tests start it on port 0)."""
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _metrics(self, _request: web.Request) -> web.Response:
        if self._multiprocess_dir is None:
            body = generate_latest(self._registry)
        else:
            body = await asyncio.to_thread(_collect_processes, self._multiprocess_dir)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _livez(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        reasons = self.reasons()
        return web.json_response({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)


def _reason(check: ReadinessCheck) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a check that breaks is a reason, not an error of the probe
        return f"{type(error).__name__}: {error}"


def _collect_processes(folder: Path) -> bytes:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call] # untyped upstream
    return generate_latest(registry)
