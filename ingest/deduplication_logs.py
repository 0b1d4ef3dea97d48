"""Makes a stopped ClickHouse forget the inserts that it had noted and did not store.

An insert under a token is noted in its table's deduplication log, and its part is renamed into place after
that (seen in ClickHouse 26.9). Whoever dies between the two remembers an insert whose rows are nowhere: the
same insert again adds nothing, in the table or in the view that it was. So before the engine is started, each
note without a part is withdrawn, by a record of the kind that the engine itself writes when it drops a part.
A last line that a power cut tore is taken off: the engine would forget what stands before it as well.

`ingest/chdb.py` does it whenever it opens a folder. Of a server, its operator does it before each start:
`python -m ingest.deduplication_logs <data folder>`. Replicated tables note and store in one step.
"""

import os
import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple, Self

FOLDER: Final = "deduplication_logs"
LOOK_BACK_BYTES: Final = 1 << 20
"""Of each table's log, about 18,000 inserts: what a life left in doubt is at the end of what it wrote."""

LONGEST_LINE_BYTES: Final = 4096

_ADDED: Final = b"1"
_DROPPED: Final = b"2"


class Part(NamedTuple):
    """The blocks of a partition that a part holds, both ends included."""

    partition: str
    first: int
    last: int

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """By its name, `<partition>_<first>_<last>_<level>[_<mutation>]`; None where it is no part's."""
        partition, *numbers = name.split("_")
        if len(numbers) not in {3, 4} or not all(number.isdecimal() for number in numbers):
            return None
        return cls(partition, int(numbers[0]), int(numbers[1]))


class Parts:
    """The parts of a table. A merged part holds the blocks of those that it was made of."""

    def __init__(self, parts: Iterable[Part]) -> None:
        by_partition: dict[str, list[Part]] = defaultdict(list)
        for part in sorted(parts):
            by_partition[part.partition].append(part)
        self._firsts = {key: [part.first for part in those] for key, those in by_partition.items()}
        # Of the parts up to each, the last block that any of them has: old ones lie beside what they became.
        self._lasts = {
            key: list(accumulate((part.last for part in those), max)) for key, those in by_partition.items()
        }

    def hold(self, part: Part) -> bool:
        at = bisect_right(self._firsts.get(part.partition, []), part.first)
        return at > 0 and self._lasts[part.partition][at - 1] >= part.last


def withdraw_lost_inserts(folder: Path) -> int:
    """Of every table in the engine's data folder; how many notes were withdrawn.

    The engine must not run on it. Raises `OSError`.
    """
    return sum(map(_mend, folder.glob(f"store/*/*/{FOLDER}")))


def _mend(logs: Path) -> int:
    numbered = sorted(logs.glob("deduplication_log_*.txt"), key=_number)
    if not numbered:
        return 0
    _cut_torn_line(numbered[-1])
    parts = Parts(part for entry in os.scandir(logs.parent) if (part := Part.parse(entry.name)))
    lost = {
        block: name
        for block, name in _noted(numbered).items()
        if (part := Part.parse(name.decode())) is not None and not parts.hold(part)
    }
    if lost:
        with numbered[-1].open("ab") as log:
            log.writelines(b"\t".join((_DROPPED, name, block)) + b"\n" for block, name in lost.items())
            log.flush()
            os.fsync(log.fileno())
    return len(lost)


def _cut_torn_line(path: Path) -> None:
    with path.open("r+b") as log:
        size = log.seek(0, os.SEEK_END)
        start = max(0, size - LONGEST_LINE_BYTES)
        log.seek(start)
        tail = log.read()
        if not tail.endswith(b"\n"):
            log.truncate(start + tail.rfind(b"\n") + 1)


def _number(log: Path) -> int:
    return int(log.stem.rpartition("_")[2])


def _noted(logs: list[Path]) -> dict[bytes, bytes]:
    """The parts of the last inserts that the engine will remember, by the block that each wrote."""
    noted: dict[bytes, bytes] = {}
    for kind, name, block in _records(logs):
        if kind == _ADDED:
            noted[block] = name
        else:
            noted.pop(block, None)
    return noted


def _records(logs: list[Path]) -> Iterator[list[bytes]]:
    room = LOOK_BACK_BYTES
    tails: list[bytes] = []
    for path in reversed(logs):
        size = path.stat().st_size
        with path.open("rb") as log:
            log.seek(max(0, size - room))
            tail = log.read()
        tails.append(tail if size <= room else tail.partition(b"\n")[2])
        room -= len(tail)
        if room <= 0:
            break
    for tail in reversed(tails):
        for line in tail.splitlines():
            record = line.split(b"\t")
            if len(record) == 3:
                yield record


def main() -> None:
    folder = Path(sys.argv[1])
    if not (folder / "store").is_dir():
        sys.exit(f"{folder} is not the data folder of a ClickHouse server: it has no folder 'store'")
    withdrawn = withdraw_lost_inserts(folder)
    sys.stdout.write(f"{withdrawn} inserts that were noted and not stored may be done again\n")


if __name__ == "__main__":
    main()
