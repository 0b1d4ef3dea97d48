"""`python -m api`: the API as a program of its own, beside a ClickHouse server."""

import asyncio
import signal
import sys

import uvloop

from api.program import run
from edge.contract import SettingsError, configure_logging, load
from ingest.contract import WarehouseUnavailableError, open_warehouse


async def _main() -> None:
    settings = load()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    warehouse = await asyncio.to_thread(
        open_warehouse, settings.clickhouse_url, folder=settings.warehouse_dir
    )
    try:
        await run(settings, warehouse, stop)
    finally:
        await asyncio.to_thread(warehouse.close)


if __name__ == "__main__":
    configure_logging("api")
    try:
        uvloop.run(_main())
    except (SettingsError, WarehouseUnavailableError, OSError) as error:
        sys.exit(f"api: {error}")
