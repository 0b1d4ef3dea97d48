"""One spooled source as a partition: read in order, its position kept, what is stored deleted.

Everything here blocks, and is called by one thread at a time where nothing else is said.
"""

import fcntl
import logging
import os
import shutil
from pathlib import Path
from typing import Final

from edge.contract import LOCK_NAME
from ingest.sources.source import Fetched, Range, Turn
from ingest.sources.spool_position import Position
from ingest.sources.spool_segments import SpoolSegments

REMOVED_SUFFIX: Final = ".removed"

logger = logging.getLogger(__name__)


class SpoolPartition:
    """Reads the source in `folder`, whose name is the partition's. Raises `PositionDamagedError`."""

    def __init__(self, folder: Path) -> None:
        self.name: Final = folder.name
        self._folder = folder
        self._position = Position.load(folder)
        self._left_plan = self._position.plan  # by a predecessor, and not handed out yet
        self._read_to = self._position.stored
        self._segments = SpoolSegments(folder)
        self._lock_fd = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        self._writer_gone = False
        self._exhausted = False

    def fetch(self, max_records: int, max_bytes: int) -> Fetched | None:
        """What has come since the last fetch, or exactly the plan that a predecessor left; None if nothing.

        At most `max_records`, and no more once there are `max_bytes`.
        """
        if self._left_plan is not None:
            start, end = self._left_plan
            fetched = self._read(start, end, None, end - start)
            self._left_plan = None
        else:
            fetched = self._read(self._read_to, None, max_records, max_bytes)
        self._read_to = fetched.end
        return fetched if fetched.end > fetched.start else None

    def plan(self, batch: Range) -> None:
        """Write down that the batch is being stored. It stands until it is committed."""
        plan = (batch.start, batch.end)
        if self._position.plan == plan:
            return
        self._check_turn(batch)
        self._save(Position(self._position.stored, plan))

    def commit(self, batch: Range) -> None:
        """Write down that the batch is stored, and delete the segments that are stored whole."""
        self._check_turn(batch)
        self._save(Position(batch.end))
        self._segments.delete_before(batch.end)

    def lag_bytes(self) -> int:
        """Bytes spooled and not yet stored. Any thread may ask."""
        try:
            return max(0, self._segments.end() - self._position.stored)
        except FileNotFoundError:
            return 0  # removed at this moment

    @property
    def done(self) -> bool:
        """The writer is gone and everything is stored."""
        return self._exhausted and self._position == Position(self._read_to)

    def remove(self) -> None:
        """Delete the source, and never half of it: without its position it would be stored again."""
        self.close()
        removed = self._folder.with_name(self.name + REMOVED_SUFFIX)
        self._folder.rename(removed)
        shutil.rmtree(removed)

    def close(self) -> None:
        self._segments.close()
        os.close(self._lock_fd)

    def _read(self, start: int, end: int | None, max_records: int | None, max_bytes: int) -> Fetched:
        ended = self._is_writer_gone()  # asked first: what is read after this is all there will be
        starts = self._segments.starts()
        values: list[bytes] = []
        ends: list[int] = []
        at, damaged = start, 0
        while at != end and at - start < max_bytes and (max_records is None or len(values) < max_records):
            wanted = None if max_records is None else max_records - len(values)
            piece = self._segments.read(at, starts, end=end, ended=ended, max_records=wanted)
            if piece is None:
                self._exhausted = ended
                break
            if piece.lost_bytes:
                logger.error("spool %s has lost %d bytes at %d", self.name, piece.lost_bytes, at)
            values += piece.values
            ends += piece.ends
            damaged += piece.damaged
            at = piece.end
        return Fetched(self.name, start, at, values, ends, planned=end is not None, damaged=damaged)

    def _is_writer_gone(self) -> bool:
        if not self._writer_gone:
            try:
                fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._writer_gone = True
        return True

    def _check_turn(self, batch: Range) -> None:
        position = self._position
        plan = None if position.plan is None else Range(self.name, *position.plan)
        Turn(position.stored, self._read_to, plan).check(batch)

    def _save(self, position: Position) -> None:
        position.save(self._folder)
        self._position = position
