"""The seam to the bus: what ingest reads from, be it the spool itself or Kafka.

Exactly once, whoever dies: before a batch is inserted, the range that it covers is written down with
`plan`; after the insert, `commit` moves the position to its end. A reader that takes over a partition finds
the plan of its predecessor in the assignment, reads the same range again and inserts it under the same
token, which adds nothing where the first insert had succeeded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes or offsets `[start, end)` of one partition. `token` names it for ever."""

    partition: str
    start: int
    end: int

    @property
    def token(self) -> str:
        return f"{self.partition}:{self.start}-{self.end}"


@dataclass(frozen=True, slots=True)
class Record:
    """One event as it was spooled: its JSON and the position behind it."""

    value: bytes
    next_position: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records of one partition, in order, without gaps.

    `planned` is true where they are all of a range that a predecessor planned: insert them as one batch,
    cut nowhere else. `damaged` counts the records that were passed over because their bytes don't check.
    """

    partition: str
    start: int
    end: int
    records: Sequence[Record]
    planned: bool = False
    damaged: int = 0


class PartitionLostError(Exception):
    """The partition belongs to another reader now: drop what was fetched from it."""


class Source(Protocol):
    """A consumer of one stream. One reader at a time owns a partition."""

    async def fetch(self, max_records: int, max_wait_s: float) -> Sequence[Fetched]:
        """What has come since the last fetch, at most `max_records` a partition; empty after `max_wait_s`."""
        ...

    async def plan(self, batch: Range) -> None:
        """Write down that this range is about to be inserted. Raises `PartitionLostError`."""
        ...

    async def commit(self, batch: Range) -> None:
        """Write down that this range is stored; it is not read again. Raises `PartitionLostError`."""
        ...

    def lag_bytes(self) -> int:
        """Bytes that have come and are not stored yet. Any thread may ask."""
        ...

    async def close(self) -> None: ...
