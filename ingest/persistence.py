"""Trying again until it works: what ingest does while a warehouse or a bus is away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from prometheus_client import Counter

from ingest.kafka.errors import BusUnavailableError
from ingest.pauses import pause, pauses
from ingest.warehouse import WarehouseUnavailableError

_log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class Persistence:
    """Tries again and again, and knows what waits meanwhile, by what it waits for.

    `retries` counts the tries that failed.
    """

    def __init__(self, retries: Counter) -> None:
        self.troubles: Final[dict[object, str]] = {}
        self._retries = retries

    @property
    def trouble(self) -> str | None:
        """Why something waits, the latest that does; None while nothing does."""
        return next(reversed(list(self.troubles.values())), None)

    async def persist(
        self, what: str, attempt: Callable[[], Awaitable[Answer]], stop: asyncio.Event
    ) -> Answer:
        """Try until it succeeds, with growing pauses. Raises `StoppedError`, and what no other try mends."""
        for pause_s in pauses():
            try:
                answer = await attempt()
            except (WarehouseUnavailableError, BusUnavailableError, OSError) as error:
                self.troubles[attempt] = f"{what}: {error}"
                self._retries.inc()
                _log.warning("%s; next try in %.1f s", self.troubles[attempt], pause_s)
                await pause(pause_s, stop)
            else:
                self.troubles.pop(attempt, None)
                return answer
        raise AssertionError("pauses never end")

    async def persist_in_thread(
        self, what: str, attempt: Callable[[], Answer], stop: asyncio.Event
    ) -> Answer:
        """As `persist`, of what blocks."""
        return await self.persist(what, lambda: asyncio.to_thread(attempt), stop)
