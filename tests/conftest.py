"""Fixtures are real neighbours: a Redis server, a warehouse engine. One module a neighbour."""

import socket

import pytest
from hypothesis import HealthCheck, settings

# A red run must mean a fault, on slow machines too: values are the same in every run, and neither an example
# nor its making is timed. `--hypothesis-profile=default` draws new ones, as `make fuzz` and `make schema` do.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("suite")

pytest_plugins = [
    "tests.fixtures.kafka",
    "tests.fixtures.nginx",
    "tests.fixtures.receiver",
    "tests.fixtures.redis",
    "tests.fixtures.redis_cluster",
    "tests.fixtures.system",
    "tests.fixtures.warehouse",
    "tests.fixtures.downloads",
]


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-rerunfailures send at once.

    It tells the controller of pytest-xdist of each test by two small writes, and the second would wait 40 ms
    until the first is known to have arrived.
    """
    connection = getattr(getattr(config, "failures_db", None), "sock", None)
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
