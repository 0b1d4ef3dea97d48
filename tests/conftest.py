"""Fixtures are real neighbours: a Redis server, a warehouse engine. One module a neighbour."""

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
