"""One source of the outbox: a spool of link events, and how much of it is applied.

`applied` in the source's folder names the last event of the prefix that was applied as a whole, `REST_S` ago
or before. Redis forces its file to the disk once a second: what a power cut takes from it is applied again
from here.
"""

import fcntl
import logging
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from edge.contract import LOCK_NAME, SEGMENT_NAME, SOURCE_NAME, SpoolWriter, cut_records, frame
from ingest.link_events import LinkEvent, decode_event, encode_event

APPLIED_NAME: Final = "applied"
REST_S: Final = 3.0

log = logging.getLogger(__name__)


class OutboxUnavailableError(Exception):
    """The disk takes no link events (it is full or read-only); nothing was changed."""


class OutboxSpool:
    """One source: what was appended to it, and how much of that is applied. `clock_s` never goes back."""

    def __init__(self, folder: Path, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._writer = SpoolWriter(folder)
        self._folder = folder / str(self._writer.source)
        self._waiting: deque[LinkEvent] = deque()
        self._done: set[str] = set()
        self._resting: deque[tuple[float, str]] = deque()  # applied, when, and not yet named by the mark
        self.bytes = 0
        self.synced_bytes = 0

    @property
    def is_settled(self) -> bool:
        return not self._waiting

    @property
    def is_at_rest(self) -> bool:
        """Whether all of it was applied `REST_S` ago at the least."""
        return self.is_settled and (not self._resting or self._resting[-1][0] <= self._clock_s() - REST_S)

    def append(self, event: LinkEvent) -> None:
        line = frame(encode_event(event))
        try:
            self._writer.append(line)
        except OSError as error:
            raise OutboxUnavailableError(f"the outbox can't be written: {error.strerror or error}") from error
        self.bytes += len(line)
        self._waiting.append(event)

    def sync(self) -> None:
        """Make what was appended survive a power cut. Blocks; one thread at a time."""
        appended = self.bytes
        try:
            self._writer.sync()
        except OSError as error:
            raise OutboxUnavailableError(f"the outbox can't be synced: {error.strerror or error}") from error
        self.synced_bytes = appended

    def unapplied(self) -> list[LinkEvent]:
        return [event for event in self._waiting if event.id not in self._done]

    def finish(self, event: LinkEvent) -> None:
        self._done.add(event.id)
        now_s = self._clock_s()
        while self._waiting and self._waiting[0].id in self._done:
            event_id = self._waiting.popleft().id
            self._done.discard(event_id)
            self._resting.append((now_s, event_id))
        rested = None
        while self._resting and self._resting[0][0] <= now_s - REST_S:
            rested = self._resting.popleft()[1]
        if rested is not None:
            _write_applied(self._folder, rested)

    def close(self) -> None:
        """Let go of it; one that is applied as a whole is removed, since a clean stop leaves Redis whole."""
        self._writer.close()
        if self.is_settled:
            shutil.rmtree(self._folder)


def _write_applied(folder: Path, event_id: str) -> None:
    newborn = folder / f".{APPLIED_NAME}"
    newborn.write_text(event_id, "utf-8")
    newborn.rename(folder / APPLIED_NAME)


def find_abandoned(folder: Path) -> list[Path]:
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


def read_unapplied(source: Path) -> list[LinkEvent]:
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
