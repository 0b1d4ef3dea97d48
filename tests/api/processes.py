"""The api as a process of its own, started, killed and started again by tests."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import pytest

from tests.api import api_program
from tests.fixtures.ports import free_port

WITHIN_S = 180
KEY = "kill-drill-key-0123456789"
ON_CLICKHOUSE = ("-m", "tests.api.api_program")
# Forks of a process that has everything imported, which takes longer than all that a test wants to see of it.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([api_program.__name__, "ingest.clickhouse"])

PROGRAM = """
import asyncio
from aggregator.contract import migrate
from api.contract import run
from edge.contract import load
from ingest.contract import open_warehouse

settings = load(_env_file=None)
warehouse = open_warehouse(None, folder=settings.warehouse_dir)
migrate(warehouse)
asyncio.run(run(settings, warehouse, asyncio.Event()))
"""


class Program:
    """The api program with chDB in a process of its own."""

    def __init__(self, data_dir: Path, redis_url: str, **environment: str) -> None:
        self.data_dir = data_dir
        self.api_port = free_port()
        self.metrics_port = free_port() - 3
        self._environment = {
            **os.environ,
            "SMARTLINKS_DATA_DIR": str(data_dir),
            "SMARTLINKS_REDIS_URL": redis_url,
            "SMARTLINKS_API_PORT": str(self.api_port),
            "SMARTLINKS_METRICS_PORT": str(self.metrics_port),
            "SMARTLINKS_ADMIN_KEY": KEY,
            **environment,
        }

    @contextmanager
    def life(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """From readiness to kill -9. Python runs `command` in place of the program above."""
        with self.start(*(command or ("-c", PROGRAM))) as process:
            try:
                self.wait_until_ready(lambda: process.poll() is None)
                yield process
            finally:
                process.kill()

    def fork(self, *arguments: str) -> BaseProcess:
        """The program on ClickHouse with these arguments, in a third of the time that `start` takes."""
        process = _FORKS.Process(target=api_program.main, args=(self._environment, *arguments))
        process.start()
        return process

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Python with these arguments, on this program's settings."""
        root = Path(__file__).parents[2]
        return subprocess.Popen([sys.executable, *command], cwd=root, env=self._environment)

    def wait_until_ready(self, is_running: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            assert is_running(), "the program ended"
            try:
                answer = httpx.get(f"http://127.0.0.1:{self.metrics_port + 3}/readyz", timeout=WITHIN_S)
            except httpx.TransportError:
                time.sleep(0.05)  # nothing to wait on until it listens
            else:
                if answer.status_code == 200:
                    return
        pytest.fail("the program is not ready in time")

    def connect(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.api_port}", headers={"Key": KEY}, timeout=WITHIN_S
        )
