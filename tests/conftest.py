"""Fixtures are real neighbours: a Redis server, a warehouse engine. One module a neighbour."""

pytest_plugins = [
    "tests.fixtures.kafka",
    "tests.fixtures.nginx",
    "tests.fixtures.receiver",
    "tests.fixtures.redis",
    "tests.fixtures.redis_cluster",
    "tests.fixtures.system",
    "tests.fixtures.warehouse",
]
