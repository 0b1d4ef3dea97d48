"""Every program on its own, as on many machines, between a Redis, a Kafka and a ClickHouse over HTTP."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.redis import RedisServer
from tests.fixtures.system import ROOT, NotInTimeError, System, free_ports, wait_until
from tests.fixtures.warehouse import clickhouse_server
from tests.system.test_whole_way import DESKTOP, IPHONE, SHOP, click, make_link

pytestmark = pytest.mark.needs_kafka

PROGRAMS = ("edge", "ingest", "aggregator", "api", "ingest.shipper")
"""In the order of their metrics ports."""


class Programs:
    """The programs as processes of their own, each started, killed and started again by its name."""

    def __init__(self, folder: Path, environment: dict[str, str], metrics_port: int) -> None:
        self._folder = folder
        self._environment = environment
        self._metrics_port = metrics_port
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", name], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        self._running[name].kill()
        self._running[name].wait()

    def wait_ready(self, *names: str) -> None:
        for name in names or PROGRAMS:
            offset = PROGRAMS.index(name)
            url = f"http://127.0.0.1:{self._metrics_port + offset}/readyz"
            try:
                wait_until(f"{name} ready", lambda url=url: self._is_ready(url), deadline_s=30)  # type: ignore[misc] # bound now
            except NotInTimeError as error:
                log = (self._folder / f"{name}.log").read_text()[-2000:]
                raise NotInTimeError(f"{error}\n{log}") from None

    def stop(self) -> dict[str, int]:
        """SIGTERM to all; their exit codes."""
        for process in self._running.values():
            process.terminate()
        return {name: process.wait(20) for name, process in self._running.items()}

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()

    def _is_ready(self, url: str) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(url, timeout=2).status_code == 200
        return False


@pytest.fixture
def machines(tmp_path: Path, kafka_url: str, own_redis: RedisServer) -> Iterator[tuple[Programs, System]]:
    edge_port, api_port, metrics_port, *_ = free_ports(2 + len(PROGRAMS))
    stack = contextlib.ExitStack()
    clickhouse_url, _ = stack.enter_context(clickhouse_server(tmp_path))
    urls = {
        "SMARTLINKS_REDIS_URL": own_redis.tcp_url,
        "SMARTLINKS_EVENTS_URL": kafka_url,
        "SMARTLINKS_CLICKHOUSE_URL": clickhouse_url,
    }
    system = System(tmp_path / "var", edge_port, api_port, metrics_port, extra_env=urls)
    programs = Programs(tmp_path, system.environment(), metrics_port)
    stack.callback(programs.close)
    with stack:
        yield programs, system


def total_clicks(api: httpx.Client, link_id: str) -> int:
    answer = api.get(f"/v1/links/{link_id}/stats")
    return int(answer.json()["totals"]["total_clicks"]) if answer.status_code == 200 else 0


def test_clicks_go_the_whole_way_and_are_counted_once(machines: tuple[Programs, System]) -> None:
    programs, system = machines
    programs.start("aggregator")  # makes the tables
    programs.wait_ready("aggregator")
    for name in set(PROGRAMS) - {"aggregator"}:
        programs.start(name)
    programs.wait_ready()
    with system.api as api:
        link = make_link(api, code="Faraway1", device_routes={"ios": "https://apps.example.com/ios"})
        for _ in range(20):
            assert click(system, "/Faraway1", DESKTOP) == (302, SHOP)
        programs.kill("ingest.shipper")
        programs.kill("ingest")
        for _ in range(20):
            assert click(system, "/Faraway1", IPHONE) == (302, "https://apps.example.com/ios")
        programs.start("ingest.shipper")
        programs.start("ingest")
        programs.wait_ready()
        for _ in range(10):
            assert click(system, "/Faraway1", DESKTOP) == (302, SHOP)
        wait_until("all clicks", lambda: total_clicks(api, link["id"]) >= 50, deadline_s=40)
        assert total_clicks(api, link["id"]) == 50
        assert set(programs.stop().values()) <= {0}
