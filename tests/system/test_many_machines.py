"""Every program on its own, as on many machines, between a Redis, a Kafka and a ClickHouse over HTTP."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.ports import free_ports
from tests.fixtures.programs import METRICS_PORTS, Programs
from tests.fixtures.redis import RedisServer
from tests.fixtures.system import System, wait_until
from tests.fixtures.warehouse import clickhouse_server
from tests.system.test_whole_way import DESKTOP, IPHONE, SHOP, click, make_link

pytestmark = pytest.mark.needs_kafka


@pytest.fixture
def machines(tmp_path: Path, kafka_url: str, own_redis: RedisServer) -> Iterator[tuple[Programs, System]]:
    edge_port, api_port, metrics_port, *_ = free_ports(2 + len(METRICS_PORTS))
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
    for name in METRICS_PORTS.keys() - {"aggregator"}:
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
        wait_until("all clicks", lambda: total_clicks(api, link["id"]) >= 50)
        assert total_clicks(api, link["id"]) == 50
        assert set(programs.stop().values()) <= {0}
