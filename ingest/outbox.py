"""The outbox: link events on this machine's disk, written before anything else is changed.

Invariants:

1. An event is in the spool, and on the disk, before it is applied; whoever dies after that, the next start
   applies it.
2. Events are applied in the order of the spool as far as one link is concerned: callers change a link one
   change at a time, and call `settle` before they read what they are about to change.
3. `applied` in the source's folder names the last event of the prefix that is applied as a whole. It lags
   behind, by the seconds that Redis may lose with the power, and never runs ahead; applying an event twice
   does no harm.
"""

import asyncio
import logging
import shutil
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from edge.contract import MAX_LINE_BYTES, LinkStoreUnavailableError
from ingest.link_events import LinkEvent, encode_event
from ingest.link_saving import TakenError
from ingest.outbox_spool import OutboxSpool, OutboxUnavailableError, find_abandoned, read_unapplied
from ingest.warehouse import WarehouseUnavailableError

MAX_EVENT_BYTES: Final = MAX_LINE_BYTES * 7 // 8  # the spool frames it
ROTATE_BYTES: Final = 64 * 1024 * 1024
REFUSED_NAME: Final = "refused.ndjson"
PASSING: Final = (LinkStoreUnavailableError, WarehouseUnavailableError)

Apply = Callable[[LinkEvent], Awaitable[None]]

log = logging.getLogger(__name__)


class Outbox:
    """Publishes link events of this process. Belongs to one event loop; call `recover` first."""

    def __init__(
        self,
        folder: Path,
        apply: Apply,
        *,
        rotate_bytes: int = ROTATE_BYTES,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._apply = apply
        self._rotate_bytes = rotate_bytes
        self._clock_s = clock_s
        self._spool: OutboxSpool | None = None
        self._retired: deque[OutboxSpool] = deque()
        self._backlog: dict[str, LinkEvent] = {}
        self._settling = asyncio.Lock()
        self._syncing = asyncio.Lock()

    @property
    def backlog(self) -> int:
        """How many events wait for Redis or the warehouse to come back."""
        return len(self._backlog)

    async def recover(self) -> int:
        """Apply what dead predecessors left, then open a spool of our own. How many events that were.

        Raises `LinkStoreUnavailableError`, `WarehouseUnavailableError`; call again later.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        count = 0
        for folder in find_abandoned(self._folder):
            for event in read_unapplied(folder):
                await self._apply_or_refuse(event)
                count += 1
            shutil.rmtree(folder)
        self._spool = OutboxSpool(self._folder, clock_s=self._clock_s)
        return count

    async def publish(self, event: LinkEvent, *, undo: LinkEvent | None = None) -> None:
        """Append the event, apply it, and note that it is applied.

        Raises `LinkStoreUnavailableError` or `WarehouseUnavailableError` where it can't be applied now: then
        it will be by `settle`, followed by `undo` if there is one. Raises `TakenError` where nothing came
        of it for good, `OutboxUnavailableError` where it can't be spooled; then nothing happened.
        """
        spool = self._own_spool()
        spool.append(event)
        try:
            await self._sync(spool)
            await self._apply(event)
        except (*PASSING, asyncio.CancelledError):
            self._backlog[event.id] = event
            if undo is not None:
                spool.append(undo)
                self._backlog[undo.id] = undo
            raise
        except (TakenError, OutboxUnavailableError):
            self._finish(event)
            raise
        except Exception as error:
            self._refuse(event, error)
            self._finish(event)
            raise
        self._finish(event)

    async def settle(self) -> None:
        """Apply, in order, the events that could not be. Raises as `publish` where they still can't."""
        if not self._backlog:
            return
        async with self._settling:
            for event in self._own_spool().unapplied():
                if event.id in self._backlog:
                    await self._apply_or_refuse(event)
                    del self._backlog[event.id]
                    self._finish(event)

    def close(self) -> None:
        """Let go of the spool. What is not applied yet will be at the next start."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        while self._retired:
            self._retired.popleft().close()

    async def _sync(self, spool: OutboxSpool) -> None:
        """Wait until the disk has what was appended; those who wait together share one sync."""
        appended = spool.bytes
        async with self._syncing:
            if spool.synced_bytes < appended:
                await asyncio.to_thread(spool.sync)

    def _own_spool(self) -> OutboxSpool:
        if self._spool is None:
            raise RuntimeError("the outbox is not open: await recover() first")
        return self._spool

    def _finish(self, event: LinkEvent) -> None:
        spool = self._own_spool()
        spool.finish(event)
        if spool.is_settled and spool.bytes > self._rotate_bytes:
            self._spool = OutboxSpool(self._folder, clock_s=self._clock_s)
            self._retired.append(spool)
        while self._retired and self._retired[0].is_at_rest:
            self._retired.popleft().close()

    async def _apply_or_refuse(self, event: LinkEvent) -> None:
        try:
            await self._apply(event)
        except PASSING:
            raise
        except TakenError as error:
            log.warning("link event %s is void: %s", event.id, error)
        except Exception as error:  # noqa: BLE001 - one bad event must not hold up all that follow
            self._refuse(event, error)

    def _refuse(self, event: LinkEvent, error: Exception) -> None:
        log.error("link event %s can't be applied, see %s: %r", event.id, self._folder / REFUSED_NAME, error)
        with (self._folder / REFUSED_NAME).open("ab") as file:
            file.write(encode_event(event) + b"\n")
