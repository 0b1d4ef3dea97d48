"""The spool: append-only files on this machine's own disk, one folder a writer.

Invariants. A reader may rely on each, whenever the writer is killed:

1. `<folder>/<source>/` appears whole: it is renamed into place with its `lock` already held. The writer holds
   that exclusive flock as long as it lives; whoever can take it knows that nothing is written there any more.
   A source id is never given twice.
2. A position is one integer over the whole source. Segment `<position of its first byte, 20 digits>.log` ends
   where the next one begins; only a power cut may leave it shorter.
3. Segments are only ever appended to, and only the last one. A record never spans two.
4. A record is one line: CRC-32 of the JSON as 8 hex digits, a space, the JSON, a newline. What does not check
   is no record. The newline comes last, so a line without one is unfinished: it may still grow in the last
   segment of a living writer, and is damaged anywhere else.
5. After a write that came short the writer begins a new segment, so the fragment is damaged by rule 4, even
   where only its newline is missing: the caller was told that it is not spooled.
6. A torn or flipped byte costs at most the records whose own bytes it touched: where a lost newline joined
   lines, the last of them is found again.

What is in a segment has been handed to the kernel and survives the writer's death; `SpoolWriter.sync` makes
it survive a power cut.
"""

import ctypes
import fcntl
import itertools
import os
import re
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isal.isal_zlib import crc32

from edge.spool_frame import MAX_LINE_BYTES, PREFIX_BYTES, unframe

SEGMENT_BYTES: Final = 64 * 1024 * 1024
LOCK_NAME: Final = "lock"
SEGMENT_NAME: Final = re.compile(r"([0-9]{20})\.log\Z")
SOURCE_NAME: Final = re.compile(r"[1-9][0-9]{0,18}\Z")

_FRAME_START = re.compile(rb"[0-9a-f]{8} ")

_SYNC_FILE_RANGE_WRITE: Final = 2
_sync_file_range = ctypes.CDLL(None).sync_file_range  # the standard library has it not
_sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


class ShortWriteError(OSError):
    """The disk took only the first `records` records of an append (it is full)."""

    def __init__(self, records: int) -> None:
        super().__init__(f"short write to the spool: {records} whole records")
        self.records = records


def segment_name(start: int) -> str:
    return f"{start:020d}.log"


def new_source_id(now_ms: int) -> int:
    """A source id below 2^63: 42 bits of Unix time in ms, so that ids sort by birth, and 21 random bits."""
    return now_ms << 21 | secrets.randbits(21)


@dataclass(frozen=True, slots=True)
class Cut:
    """What `cut_records` found: each record's JSON in `values`, and in `ends` where its line ends.

    `consumed` bytes are done with; `damaged` counts lines that did not check.
    """

    values: list[bytes]
    ends: list[int]
    consumed: int
    damaged: int

    @property
    def records(self) -> list[tuple[bytes, int]]:
        return list(zip(self.values, self.ends, strict=True))


def cut_records(chunk: bytes, *, finished: bool, max_records: int | None = None, start: int = 0) -> Cut:
    """Cut the records out of a chunk that begins where a line begins, at position `start` of its source.

    `finished`: nothing will be appended to the chunk, so an unfinished last line is damaged. Otherwise it is
    left unconsumed, unless it is longer than any line may be. At most `max_records` records are taken.
    """
    values: list[bytes] = []
    ends: list[int] = []
    find, startswith = chunk.find, chunk.startswith
    at = damaged = 0
    while max_records is None or len(values) < max_records:
        end = find(b"\n", at, at + MAX_LINE_BYTES)
        if end < 0:
            unfinished = len(chunk) - at
            if unfinished >= MAX_LINE_BYTES:
                at += MAX_LINE_BYTES
            elif finished and unfinished:
                at = len(chunk)
            else:
                break
            damaged += 1
            continue
        content = chunk[at + PREFIX_BYTES : end]
        json: bytes | None = content
        if not startswith(b"%08x " % crc32(content), at):  # as `unframe`, without a copy of the line
            damaged += 1
            json = _last_record(chunk[at:end])
        at = end + 1
        if json is not None:
            values.append(json)
            ends.append(start + at)
    return Cut(values, ends, at, damaged)


def _last_record(line: bytes) -> bytes | None:
    """The record at the end of a line that swallowed others because their newlines are gone."""
    for start in _FRAME_START.finditer(line, 1):
        json = unframe(line[start.start() :])
        if json is not None:
            return json
    return None


class SpoolWriter:
    """Appends records to a source of its own. One thread appends; another may call what writes to the disk.

    Open it in the process that uses it, after any fork: a forked child would keep the lock held.
    Raises `OSError` where the folder can't be written.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.source: Final = new_source_id(time.time_ns() // 1_000_000)
        self.take_seq: Final[Callable[[], int]] = itertools.count(1).__next__
        """The next sequence number: 1, 2, 3 ..."""
        self._folder = folder / str(self.source)
        self._segment_bytes = segment_bytes
        self._lock_fd = self._appear(folder)
        self._retired: deque[int] = deque()  # segments that were rolled over, not yet synced and closed
        self._end = self._started_end = self._synced_end = 0
        self._fd = self._open_segment()
        _sync_folder(self._folder)
        self._roll_at = segment_bytes  # an append that finds the end at or above this rolls over first

    def append(self, frames: bytes) -> None:
        """Append whole frames by one write. When this returns, they survive the death of this process.

        Raises `ShortWriteError` where the disk took only the first ones, `OSError` where it took none.
        """
        if self._end >= self._roll_at:
            self._roll()
        written = os.write(self._fd, frames)
        self._end += written
        if written != len(frames):
            self._roll_at = 0
            raise ShortWriteError(frames.count(b"\n", 0, written))

    @property
    def unsynced_bytes(self) -> int:
        """Bytes that a power cut could take."""
        return self._end - self._synced_end

    @property
    def unstarted_bytes(self) -> int:
        """Bytes that the disk has not been told to begin with."""
        return self._end - max(self._started_end, self._synced_end)

    def start_writing(self) -> None:
        """Have the disk begin to take what was appended, so that `sync` finds little left to do.

        For a timer's thread. Nothing is known to be on the disk afterwards; what fails, `sync` will tell.
        """
        self._started_end = self._end
        _sync_file_range(self._fd, 0, 0, _SYNC_FILE_RANGE_WRITE)

    def sync(self) -> None:
        """Make everything appended so far survive a power cut. Blocks; for a timer's thread."""
        end = self._end
        os.fdatasync(self._fd)  # first: if an append rolls it over meanwhile, it is among the retired below
        if self._retired:
            _sync_folder(self._folder)
        while self._retired:
            os.fdatasync(self._retired[0])
            os.close(self._retired.popleft())
        self._synced_end = end

    def close(self) -> None:
        """Sync, and let the reader know that this source is finished. Nothing else of it may be running."""
        try:
            self.sync()
        finally:
            os.close(self._fd)
            os.close(self._lock_fd)

    def _appear(self, folder: Path) -> int:
        newborn = folder / f".{self.source}"
        newborn.mkdir(parents=True)
        lock_fd = os.open(newborn / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        newborn.rename(self._folder)
        _sync_folder(folder)
        return lock_fd

    def _open_segment(self) -> int:
        path = self._folder / segment_name(self._end)
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _roll(self) -> None:
        """Begin a new segment; `sync` closes the old one, so that no fsync holds up an append."""
        try:
            fd = self._open_segment()
        except OSError:
            if self._roll_at == 0:
                raise  # nothing may follow a fragment
            return  # out of file descriptors, say: a click is worth more than the bound, so the old one grows
        self._retired.append(self._fd)
        self._fd = fd
        self._roll_at = self._end + self._segment_bytes


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
