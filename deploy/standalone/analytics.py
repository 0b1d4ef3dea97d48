"""Ingest, aggregator and api in one process: the in-process warehouse can be opened by one only.

Ingest and api come first: what the aggregator looks at when it starts would hold them up for seconds.

One of them failing takes the process down, for the supervisor to start it again: nothing of theirs is kept
in memory alone. On SIGTERM, SIGINT or the supervisor's death they drain, and the warehouse is closed.
"""

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

import uvloop

import aggregator.contract
import api.contract
import ingest.contract
from deploy.standalone.ports import programs, reachable
from deploy.standalone.readiness import reasons_not_ready
from edge.contract import Settings, SettingsError, configure_logging, load
from ingest.contract import Warehouse, open_warehouse

Run = Callable[[Settings, Warehouse, asyncio.Event], Awaitable[None]]

DRAIN_WITHIN_S: Final = 2.5
_FIRST: Final[dict[str, Run]] = {"ingest": ingest.contract.run, "api": api.contract.run}
HEAD_START_S: Final = 10.0
"""How long the aggregator waits for the others to be ready: they may never be."""
_POLL_S: Final = 0.05
_log = logging.getLogger(__name__)


class ProgramEndedError(Exception):
    """A program ended though nobody asked it to."""


def main() -> int:
    configure_logging("analytics")
    try:
        uvloop.run(_serve(load()))
    except SettingsError as error:
        _log.error("%s", error)
        return 1
    except Exception:  # noqa: BLE001 - whatever it was is logged, and the supervisor starts it again
        _log.exception("analytics ends")
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    warehouse = await asyncio.to_thread(
        open_warehouse, settings.clickhouse_url, folder=settings.warehouse_dir
    )
    try:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):  # after the engine, which may take them for itself
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        for name in await asyncio.to_thread(aggregator.contract.migrate, warehouse):
            _log.info("applied migration %s", name)
        await run_until(stop, settings, warehouse, {**_FIRST, "aggregator": run_aggregator_last})
        _log.info("drained")
    finally:
        await asyncio.to_thread(warehouse.close)


async def run_aggregator_last(settings: Settings, warehouse: Warehouse, stop: asyncio.Event) -> None:
    """Run the aggregator once the others are ready, or `HEAD_START_S` have passed."""
    host = reachable(settings.api_host)
    ends_s = time.monotonic() + HEAD_START_S
    for port, program in enumerate(programs(settings), settings.metrics_port):
        while program in _FIRST and not stop.is_set() and time.monotonic() < ends_s:
            if await reasons_not_ready(host, port) is None:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _POLL_S)
    await aggregator.contract.run(settings, warehouse, stop)


async def run_until(
    stop: asyncio.Event, settings: Settings, warehouse: Warehouse, runs: dict[str, Run]
) -> None:
    """Run all until `stop` is set or the first of them ends, then let the others drain.

    Raises what the first one failed with, or `ProgramEndedError`.
    """
    tasks = {asyncio.ensure_future(run(settings, warehouse, stop)): name for name, run in runs.items()}
    ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    early = not stop.is_set()
    stop.set()
    _, draining = await asyncio.wait(tasks, timeout=DRAIN_WITHIN_S)
    for task in draining:
        _log.warning("%s did not drain within %s s", tasks[task], DRAIN_WITHIN_S)
        task.cancel()
    await asyncio.gather(*draining, return_exceptions=True)
    for task in (*ended, *tasks):
        if not task.cancelled() and task.exception() is not None:
            raise ProgramEndedError(f"{tasks[task]} failed") from task.exception()
    if early:
        raise ProgramEndedError(f"{', '.join(tasks[task] for task in ended)} ended without being asked to")


if __name__ == "__main__":
    sys.exit(main())
