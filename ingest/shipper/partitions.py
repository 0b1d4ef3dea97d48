"""Which Kafka partition a spooled source goes to: always the same one, whatever becomes of the topic.

The choice is written into the source's folder before anything is sent. A hash alone would send it elsewhere
once the topic has more partitions, and the order of its events, by which repeats are known, would be lost.
"""

import zlib
from pathlib import Path
from typing import Final

FILE_NAME: Final = "kafka_partition"


def choose_partition(source: str, count: int) -> int:
    """The partition of a source that has none yet, out of `count`."""
    return zlib.crc32(source.encode()) % count


class Partitions:
    """The partitions of the sources in `folder`, of a topic with `count`. Blocks on the disk."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._count = count
        self._chosen: dict[str, int] = {}

    def of(self, source: str) -> int:
        """Raises `OSError`."""
        chosen = self._chosen.get(source)
        if chosen is None:
            chosen = self._chosen[source] = self._recall(source)
        return chosen

    def _recall(self, source: str) -> int:
        path = self._folder / source / FILE_NAME
        if path.exists():
            chosen = int(path.read_text() or -1)
            if 0 <= chosen < self._count:  # else the topic was made anew, with fewer partitions
                return chosen
        chosen = choose_partition(source, self._count)
        unfinished = path.with_suffix(".new")
        unfinished.write_text(str(chosen))
        unfinished.rename(path)
        return chosen
