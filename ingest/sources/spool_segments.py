"""The segment files of one spooled source, read as one run of bytes.

`edge/spool.py` states what may be relied on. Everything here blocks.
"""

import os
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from edge.contract import MAX_LINE_BYTES, SEGMENT_NAME, cut_records, segment_name


@dataclass(frozen=True, slots=True)
class Piece:
    """Records between two positions, and in `ends` the position behind each.

    `lost_bytes` should have been there and are not (a power cut).
    """

    end: int
    values: list[bytes]
    ends: list[int]
    damaged: int = 0
    lost_bytes: int = 0


class SpoolSegments:
    """Reads the segments in `folder`; holds one of them open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open_start = -1
        self._fd = -1

    def starts(self) -> list[int]:
        """The position of each segment's first byte, ascending."""
        names = (path.name for path in self._folder.iterdir())
        found = (SEGMENT_NAME.match(name) for name in names)
        return sorted(int(name[1]) for name in found if name is not None)

    def end(self) -> int:
        """The position behind the last byte; 0 where there is no segment."""
        starts = self.starts()
        if not starts:
            return 0
        return starts[-1] + (self._folder / segment_name(starts[-1])).stat().st_size

    def read(
        self, at: int, starts: list[int], *, end: int | None, ended: bool, max_records: int | None
    ) -> Piece | None:
        """The next records from position `at`, where a line begins; None where there are none yet.

        At most one line's length is read, of one segment, and nothing behind `end`. `ended`: the writer is
        gone, so that the last segment is as complete as the others.
        """
        index = bisect_right(starts, at) - 1
        following = starts[index + 1] if index + 1 < len(starts) else end if ended else None
        wanted = MAX_LINE_BYTES if end is None else min(MAX_LINE_BYTES, end - at)
        chunk = b"" if index < 0 else self._pread(starts[index], at - starts[index], wanted)
        complete = ended or index + 1 < len(starts)
        if chunk:
            finished = at + len(chunk) == end or (complete and len(chunk) < wanted)
            cut = cut_records(chunk, finished=finished, max_records=max_records, start=at)
            return Piece(at + cut.consumed, cut.values, cut.ends, cut.damaged) if cut.consumed else None
        if following is None:
            return None
        resume = following if end is None else min(following, end)
        return Piece(resume, [], [], damaged=1, lost_bytes=resume - at)

    def delete_before(self, position: int) -> None:
        """Delete the segments that end at or before the position; never the last one."""
        starts = self.starts()
        for start, following in pairwise(starts):
            if following <= position:
                (self._folder / segment_name(start)).unlink()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = self._open_start = -1

    def _pread(self, start: int, offset: int, length: int) -> bytes:
        if start != self._open_start:
            fd = os.open(self._folder / segment_name(start), os.O_RDONLY)
            self.close()
            self._fd, self._open_start = fd, start
        return os.pread(self._fd, length, offset)
