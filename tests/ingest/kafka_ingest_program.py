"""A member of the group that ingests from Kafka until SIGTERM, or dies by SIGKILL at a chosen point.

Its arguments: data folder, events URL, warehouse URL, database, point, and at which passage of it to die.
"""

import asyncio
import signal
import sys
from pathlib import Path

from edge.contract import configure_logging
from ingest.contract import Warehouse, open_warehouse
from ingest.kafka.address import parse_address
from ingest.sources.kafka import KafkaSource
from tests.ingest.ingest_program import MortalSource, Reaper, mortal_runner

SESSION_TIMEOUT_S = 3.0


async def _ingest(data_dir: Path, events_url: str, warehouse: Warehouse, reaper: Reaper) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    kafka = KafkaSource(parse_address(events_url), session_timeout_s=SESSION_TIMEOUT_S)
    source = MortalSource(kafka, reaper)
    await mortal_runner(source, data_dir, warehouse, reaper).serve(stop)
    await source.close()


def main() -> None:
    data_dir, events_url, warehouse_url, database, point, nth = sys.argv[1:]
    configure_logging("ingest")
    warehouse = open_warehouse(warehouse_url, folder=Path(data_dir), database=database)
    asyncio.run(_ingest(Path(data_dir), events_url, warehouse, Reaper(point, int(nth))))
    warehouse.close()


if __name__ == "__main__":
    main()
