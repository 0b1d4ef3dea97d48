"""The edge's parent process: keeps its workers running, and answers for all of them on the metrics port."""

import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Final

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import mark_process_dead

from edge.ops import Ops
from edge.serving import worker_settings
from edge.settings import Settings
from edge.worker_settings import WorkerSettings

RESTART_DELAYS_S: Final = (0.0, 0.1, 0.2, 0.5, 1.0)
HEALTHY_AFTER_S: Final = 10.0
STOP_TIMEOUT_S: Final = 10.0

_log = logging.getLogger(__name__)


async def run_parent(settings: Settings, stop: asyncio.Event) -> None:
    """Run the workers and the metrics port until `stop` is set; then let the workers drain."""
    for_workers = worker_settings(settings, host=settings.edge_host, port=settings.edge_port)
    _try_port(settings.edge_host, settings.edge_port)
    with tempfile.TemporaryDirectory(prefix="smartlinks-edge-") as folder:
        ops = Ops("edge", CollectorRegistry(), Path(folder))
        workers = [Worker(for_workers, Path(folder)) for _ in range(settings.edge_workers)]
        for number, worker in enumerate(workers, 1):
            ops.ready_when(f"worker {number}", lambda worker=worker: worker.reason)  # type: ignore[misc] # bound now
        await ops.start(settings.api_host, settings.metrics_port)
        try:
            async with asyncio.TaskGroup() as tasks:
                for worker in workers:
                    tasks.create_task(worker.keep_running(stop))
        finally:
            await ops.close()


def _try_port(host: str, port: int) -> None:
    """Raise `OSError` now where no worker could listen."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise OSError(error.errno, f"can't listen on {host}:{port}: {error.strerror}") from None


class Worker:
    """One worker process, started again whenever it dies."""

    def __init__(self, settings: WorkerSettings, metrics_dir: Path) -> None:
        self._settings = settings
        self._metrics_dir = metrics_dir
        self.reason: str | None = "starting"
        """Why it is not ready; None when it is."""

    async def keep_running(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; then terminate it, and wait until it has drained."""
        loop = asyncio.get_running_loop()
        stopping = asyncio.create_task(stop.wait())
        failures = 0
        while not stop.is_set():
            started = loop.time()
            await self._run_once(stopping)
            if stop.is_set():
                break
            failures = 0 if loop.time() - started >= HEALTHY_AFTER_S else failures + 1
            delay_s = RESTART_DELAYS_S[max(0, min(failures, len(RESTART_DELAYS_S)) - 1)]
            await asyncio.wait([stopping], timeout=delay_s)

    async def _run_once(self, stopping: asyncio.Task[bool]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "edge.worker",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(self._metrics_dir)},
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(self._settings.to_json() + b"\n")
        reading = asyncio.create_task(self._read_reasons(reader))
        exited = asyncio.create_task(process.wait())
        await asyncio.wait([exited, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not exited.done():
            self.reason = "stopping"
            process.send_signal(signal.SIGTERM)
            await asyncio.wait([exited], timeout=STOP_TIMEOUT_S)
        if not exited.done():
            _log.error("worker %d did not drain within %g s and is killed", process.pid, STOP_TIMEOUT_S)
            process.kill()
        code = await exited
        self.reason = f"exited with {code}"
        if not stopping.done():
            _log.error("worker %d exited with %d and is started again", process.pid, code)
        await reading
        writer.close()
        mark_process_dead(process.pid, str(self._metrics_dir))  # type: ignore[no-untyped-call] # untyped upstream

    async def _read_reasons(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self.reason = orjson.loads(line)["reason"]
