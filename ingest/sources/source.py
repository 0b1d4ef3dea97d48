"""The seam to the bus: what ingest reads from, be it the spool itself or Kafka.

Exactly once, whoever dies: before a batch is inserted, the range that it covers is written down with
`plan`; after the insert, `commit` moves the position to its end. A reader that takes over a partition finds
the plan of its predecessor in the assignment, reads the same range again and inserts it under the same
token, which adds nothing where the first insert had succeeded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

Spans = tuple[tuple[int, int], ...]
"""Positions `[start, end)`, ascending."""


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes or offsets `[start, end)` of one partition. `token` names it for ever.

    `left_out` are the records in it that repeat earlier ones; it is planned with the range. `generation`
    tells the time for which the partition is ours: what was read in one can't be stored in the next.
    """

    partition: str
    start: int
    end: int
    left_out: Spans = ()
    generation: int = field(default=0, compare=False)

    @property
    def token(self) -> str:
        return f"{self.partition}:{self.start}-{self.end}"


class Record(NamedTuple):
    """One event as it was spooled: its JSON and the position behind it."""

    value: bytes
    next_position: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records of one partition, in order, without gaps: `values`, and in `ends` the position behind each.

    `planned` is true where they are all of a range that a predecessor planned: insert them as one batch,
    cut nowhere else, without what the plan has `left_out`. `damaged` counts the records that were passed over
    because their bytes don't check or are gone.

    `floors` is there where a record may come more than once: the highest number seen of each source so far,
    for the caller to keep up to date. It lasts as long as this reader owns the partition.
    """

    partition: str
    start: int
    end: int
    values: Sequence[bytes]
    ends: Sequence[int]
    planned: bool = False
    damaged: int = 0
    left_out: Spans = ()
    floors: dict[int, int] | None = field(default=None, compare=False)
    generation: int = field(default=0, compare=False)

    def part(self, start: int, end: int, left_out: Spans = ()) -> Range:
        """A range of it."""
        return Range(self.partition, start, end, left_out, self.generation)

    @property
    def records(self) -> list[Record]:
        return list(map(Record, self.values, self.ends))


class PartitionLostError(Exception):
    """The partition belongs to another reader now: drop what was fetched from it."""


class Source(Protocol):
    """A consumer of one stream. One reader at a time owns a partition."""

    async def fetch(self, max_records: int, max_wait_s: float) -> Sequence[Fetched]:
        """What has come since the last fetch, at most `max_records` a partition; empty after `max_wait_s`.

        What was fetched before may still be about to be stored: ranges of a partition are planned and
        committed one after the other, in order.
        """
        ...

    async def plan(self, batch: Range) -> None:
        """Write down that this range is about to be inserted. Raises `PartitionLostError`."""
        ...

    async def commit(self, batch: Range) -> None:
        """Write down that this range is stored; it is not read again. Raises `PartitionLostError`."""
        ...

    @property
    def unit(self) -> Literal["bytes", "events"]:
        """What positions count."""
        ...

    def lag(self) -> int:
        """How many of the unit have come and are not stored yet. Any thread may ask."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """How far a partition is: `[stored, read_to)` was handed out, of it `plan` was planned."""

    stored: int
    read_to: int
    plan: Range | None

    def check(self, batch: Range) -> None:
        """Batches are stored one after the other, and a plan is carried out as it was written.

        Raises `ValueError`.
        """
        if batch.start != self.stored or not batch.start < batch.end <= self.read_to:
            raise ValueError(f"{batch} does not follow position {self.stored}")
        if self.plan is not None and self.plan != batch:
            raise ValueError(f"{batch} is not the range {self.plan} that was planned")
