"""The outbox: link events on this machine's disk, written before anything else is changed.

Invariants:

1. An event is in the spool before it is applied; whoever dies after that, the next start applies it.
2. Events are applied in the order of the spool as far as one link is concerned: callers change a link one
   change at a time, and call `settle` before they read what they are about to change.
3. `applied` in the source's folder names the last event of the prefix that is applied as a whole. It may lag
   behind, never run ahead; applying twice does no harm.
"""

import asyncio
import fcntl
import logging
import os
import shutil
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from edge.contract import (
    LOCK_NAME,
    MAX_LINE_BYTES,
    SEGMENT_NAME,
    SOURCE_NAME,
    LinkStoreUnavailableError,
    SpoolWriter,
    cut_records,
    frame,
)
from ingest.apply import CodeTakenError
from ingest.link_events import LinkEvent, decode_event, encode_event
from ingest.warehouse import WarehouseUnavailableError

MAX_EVENT_BYTES: Final = MAX_LINE_BYTES // 2
ROTATE_BYTES: Final = 64 * 1024 * 1024
APPLIED_NAME: Final = "applied"
REFUSED_NAME: Final = "refused.ndjson"
PASSING: Final = (LinkStoreUnavailableError, WarehouseUnavailableError)


class OutboxUnavailableError(Exception):
    """The disk takes no link events (it is full or read-only); nothing was changed."""


Apply = Callable[[LinkEvent], Awaitable[None]]

log = logging.getLogger(__name__)


class Outbox:
    """Publishes link events of this process. Belongs to one event loop; call `recover` first."""

    def __init__(self, folder: Path, apply: Apply, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._folder = folder
        self._apply = apply
        self._rotate_bytes = rotate_bytes
        self._spool: _Spool | None = None
        self._backlog: dict[str, LinkEvent] = {}
        self._settling = asyncio.Lock()

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
        for folder in _abandoned(self._folder):
            for event in _read_unapplied(folder):
                await self._apply_or_refuse(event)
                count += 1
            shutil.rmtree(folder)
        self._spool = _Spool(self._folder)
        return count

    async def publish(self, event: LinkEvent, *, undo: LinkEvent | None = None) -> None:
        """Append the event, apply it, and note that it is applied.

        Raises `LinkStoreUnavailableError` or `WarehouseUnavailableError` where it can't be applied now: then
        it will be by `settle`, followed by `undo` if there is one. Raises `CodeTakenError` where nothing came
        of it for good, `OutboxUnavailableError` where it can't be spooled; then nothing happened.
        """
        spool = self._own_spool()
        spool.append(event)
        try:
            await self._apply(event)
        except (*PASSING, asyncio.CancelledError):
            self._backlog[event.id] = event
            if undo is not None:
                spool.append(undo)
                self._backlog[undo.id] = undo
            raise
        except CodeTakenError:
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

    def _own_spool(self) -> "_Spool":
        if self._spool is None:
            raise RuntimeError("the outbox is not open: await recover() first")
        return self._spool

    def _finish(self, event: LinkEvent) -> None:
        spool = self._own_spool()
        spool.finish(event)
        if spool.is_settled and spool.bytes > self._rotate_bytes:
            self._spool = _Spool(self._folder)
            spool.close()

    async def _apply_or_refuse(self, event: LinkEvent) -> None:
        try:
            await self._apply(event)
        except PASSING:
            raise
        except CodeTakenError as error:
            log.warning("link event %s is void: %s", event.id, error)
        except Exception as error:  # noqa: BLE001 - one bad event must not hold up all that follow
            self._refuse(event, error)

    def _refuse(self, event: LinkEvent, error: Exception) -> None:
        log.error("link event %s can't be applied, see %s: %r", event.id, self._folder / REFUSED_NAME, error)
        with (self._folder / REFUSED_NAME).open("ab") as file:
            file.write(encode_event(event) + b"\n")


class _Spool:
    """One source: what was appended to it, and how much of that is applied."""

    def __init__(self, folder: Path) -> None:
        self._writer = SpoolWriter(folder)
        self._folder = folder / str(self._writer.source)
        self._waiting: deque[LinkEvent] = deque()
        self._done: set[str] = set()
        self.bytes = 0

    @property
    def is_settled(self) -> bool:
        return not self._waiting

    def append(self, event: LinkEvent) -> None:
        line = frame(encode_event(event))
        try:
            self._writer.append(line)
        except OSError as error:
            raise OutboxUnavailableError(f"the outbox can't be written: {error.strerror or error}") from error
        self.bytes += len(line)
        self._waiting.append(event)

    def unapplied(self) -> list[LinkEvent]:
        return [event for event in self._waiting if event.id not in self._done]

    def finish(self, event: LinkEvent) -> None:
        self._done.add(event.id)
        last = None
        while self._waiting and self._waiting[0].id in self._done:
            last = self._waiting.popleft().id
            self._done.discard(last)
        if last is not None:
            _write_applied(self._folder, last)

    def close(self) -> None:
        self._writer.close()
        if self.is_settled:
            shutil.rmtree(self._folder)


def _write_applied(folder: Path, event_id: str) -> None:
    newborn = folder / f".{APPLIED_NAME}"
    newborn.write_text(event_id, "utf-8")
    newborn.rename(folder / APPLIED_NAME)


def _abandoned(folder: Path) -> list[Path]:
    """Sources whose writer is gone, oldest first."""
    sources = [path for path in folder.iterdir() if SOURCE_NAME.match(path.name)]
    return sorted((path for path in sources if _is_abandoned(path)), key=lambda path: int(path.name))


def _is_abandoned(source: Path) -> bool:
    descriptor = os.open(source / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _read_unapplied(source: Path) -> list[LinkEvent]:
    """The events behind the one that `applied` names; all of them where it is not found."""
    mark = source / APPLIED_NAME
    last_applied = mark.read_text("utf-8") if mark.exists() else None
    events: list[LinkEvent] = []
    for event in _read_events(source):
        if event.id == last_applied:
            events.clear()
        else:
            events.append(event)
    return events


def _read_events(source: Path) -> Iterator[LinkEvent]:
    segments = sorted(path for path in source.iterdir() if SEGMENT_NAME.match(path.name))
    for segment in segments:
        cut = cut_records(segment.read_bytes(), finished=True)
        if cut.damaged:
            log.error("%s: %d damaged records are passed over", segment, cut.damaged)
        for value, _ in cut.records:
            try:
                yield decode_event(value)
            except ValueError as error:
                log.error("%s: a record is passed over: %s", segment, error)  # noqa: TRY400 - no trace needed
