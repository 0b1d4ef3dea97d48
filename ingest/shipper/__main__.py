"""`python -m ingest.shipper`: ship this machine's clicks to Kafka until SIGTERM or SIGINT."""

import asyncio
import logging
import signal
import sys

import uvloop

from edge.contract import PREFIX, Settings, SettingsError, configure_logging, load
from ingest.kafka.address import KafkaAddress, parse_address
from ingest.shipper.memory import tune_memory
from ingest.shipper.runner import run
from ingest.sources.spool import SpoolInUseError

_log = logging.getLogger(__name__)


async def _serve(settings: Settings, address: KafkaAddress) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tune_memory()
    await run(settings, address, stop)
    _log.info("stopped; what was not sent is sent at the next start")


def _address(settings: Settings) -> KafkaAddress:
    if settings.events_url is None:
        raise SettingsError(
            f"{PREFIX}EVENTS_URL: is unset: ingest reads the spool itself, nothing is shipped"
        )
    return parse_address(settings.events_url)


def main() -> int:
    configure_logging("shipper")
    try:
        settings = load()
        uvloop.run(_serve(settings, _address(settings)))
    except (SettingsError, SpoolInUseError, OSError) as error:
        _log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
