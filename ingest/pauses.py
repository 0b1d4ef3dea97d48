"""Pauses between tries, which end at once where the program is to stop."""

import asyncio
import random
from collections.abc import Iterator
from typing import Final

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0


class StoppedError(Exception):
    """Asked to stop while waiting for something to come back."""


def pauses() -> Iterator[float]:
    """Seconds, doubling, with jitter so that many programs don't come back at once. Never ends."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s * random.uniform(0.75, 1.25)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Wait, but not on past `stop`: raises `StoppedError` then."""
    try:
        await asyncio.wait_for(stop.wait(), max(0.0, seconds))
    except TimeoutError:
        return
    raise StoppedError
