"""The api program on a ClickHouse server's database, which kills itself where it is told to.

    python -m tests.api.api_program

    python -m tests.api.api_program before|after module:class.name nth [SIGSTOP]

With the second it dies by SIGKILL, or is stopped, at the nth call of this function: before that is carried
out, or after and before anybody hears of it.
"""

import asyncio
import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from api.contract import run
from edge.contract import configure_logging, load
from ingest.contract import open_warehouse

DATABASE = "TEST_DATABASE"


def strike_at(when: str, point: str, nth: int, blow: signal.Signals) -> None:
    module, _, path = point.partition(":")
    owner_name, _, name = path.partition(".")
    owner = getattr(importlib.import_module(module), owner_name)
    wrapped: Callable[..., Any] = getattr(owner, name)
    calls = 0
    is_struck = False

    def count(at: str) -> None:
        nonlocal calls, is_struck
        if at == "before":
            calls += 1
        if at == when and calls >= nth and not is_struck:
            is_struck = True
            os.kill(os.getpid(), blow)

    @functools.wraps(wrapped)
    async def wait_for(*arguments: Any, **named: Any) -> Any:
        count("before")
        answer = await wrapped(*arguments, **named)
        count("after")
        return answer

    @functools.wraps(wrapped)
    def call(*arguments: Any, **named: Any) -> Any:
        count("before")
        answer = wrapped(*arguments, **named)
        count("after")
        return answer

    setattr(owner, name, wait_for if asyncio.iscoroutinefunction(wrapped) else call)


def main(environment: Mapping[str, str], when: str = "", point: str = "", nth: str = "", *blow: str) -> None:
    os.environ.update(environment)
    configure_logging("api")
    settings = load(_env_file=None)
    warehouse = open_warehouse(
        settings.clickhouse_url, folder=settings.warehouse_dir, database=os.environ[DATABASE]
    )
    if when:
        strike_at(when, point, int(nth), signal.Signals[blow[0] if blow else "SIGKILL"])
    asyncio.run(run(settings, warehouse, asyncio.Event()))


if __name__ == "__main__":
    main({}, *sys.argv[1:])
