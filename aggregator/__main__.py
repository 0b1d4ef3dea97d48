"""`python -m aggregator`: migrate the warehouse, then keep its house until SIGTERM or SIGINT."""

import asyncio
import logging
import signal
import sys

import uvloop

from aggregator.migrate import MigrationError, migrate
from aggregator.runner import run
from edge.contract import Settings, SettingsError, configure_logging, load
from ingest.contract import WarehouseError, WarehouseUnavailableError, open_warehouse

_log = logging.getLogger(__name__)


async def _serve(settings: Settings) -> None:
    warehouse = await asyncio.to_thread(
        open_warehouse, settings.clickhouse_url, folder=settings.warehouse_dir
    )
    try:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):  # after the engine, which may take them for itself
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        for name in await asyncio.to_thread(migrate, warehouse):
            _log.info("applied migration %s", name)
        await run(settings, warehouse, stop)
    finally:
        await asyncio.to_thread(warehouse.close)


def main() -> int:
    configure_logging("aggregator")
    try:
        uvloop.run(_serve(load()))
    except (SettingsError, MigrationError, WarehouseUnavailableError, WarehouseError, OSError) as error:
        _log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
