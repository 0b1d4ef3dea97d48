"""Turns of what is done side by side: lines of a stream that are about one thing keep their order."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class Turns:
    """Lets so many in at once, and of those with one name one, who came first. Belongs to one event loop."""

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        # A name is forgotten with the last who waits for it: a stream may have any number of them.
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, name: Hashable | None) -> AsyncIterator[None]:
        """A turn; without a name nobody else's matters."""
        lock = asyncio.Lock() if name is None else self._locks.setdefault(name, asyncio.Lock())
        async with lock, self._slots:
            yield
