"""`python -m ingest`: consume until SIGTERM or SIGINT. It waits until the aggregator has made the tables."""

import asyncio
import logging
import signal
import sys

import uvloop

from edge.contract import Settings, SettingsError, configure_logging, load
from ingest.enrich.visitor import VisitorKeyError
from ingest.program import run
from ingest.sources.spool import SpoolInUseError
from ingest.warehouse import WarehouseError, WarehouseUnavailableError, open_warehouse

_log = logging.getLogger(__name__)


async def _serve(settings: Settings) -> None:
    warehouse = await asyncio.to_thread(
        open_warehouse, settings.clickhouse_url, folder=settings.warehouse_dir
    )
    try:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):  # after the engine, which may take them for itself
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run(settings, warehouse, stop)
    finally:
        await asyncio.to_thread(warehouse.close)


def main() -> int:
    configure_logging("ingest")
    try:
        uvloop.run(_serve(load()))
    except (
        SettingsError,
        SpoolInUseError,
        VisitorKeyError,
        WarehouseUnavailableError,
        WarehouseError,
    ) as error:
        _log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
