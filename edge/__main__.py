"""`python -m edge`: the redirect servers, one process a core, and their metrics port."""

import asyncio
import logging
import signal
import sys

import uvloop

from edge.logs import configure_logging
from edge.parent import run_parent
from edge.settings import Settings, SettingsError, load


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_parent(settings, stop)
    logging.getLogger(__name__).info("drained")


def main() -> None:
    configure_logging("edge")
    try:
        uvloop.run(_run(load()))
    except* SettingsError as errors:
        sys.exit(f"edge: {errors.exceptions[0]}")
    except* OSError as errors:
        failure = errors.exceptions[0]
        sys.exit(f"edge: {getattr(failure, 'strerror', None) or failure}")


if __name__ == "__main__":
    main()
