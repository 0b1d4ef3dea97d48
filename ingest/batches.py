"""Cutting what was fetched into batches. Pure; the same range is always cut the same way.

A batch is one insert: one range of one partition, named by its token for ever. It must not straddle what the
warehouse partitions its table by, the calendar month in UTC, because only a block of one month is stored as a
whole or not at all. A planned range was cut right by whoever planned it, and is never cut again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ingest.decode import Click, DeadReason, UndecodableError, decode
from ingest.sources.source import Fetched, Range, Record


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that is no click. `position` is the one behind it; `detail` says what is wrong."""

    position: int
    reason: DeadReason
    detail: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """A range with the clicks in it, all of one month and in order, and the dead letters among them."""

    range: Range
    clicks: Sequence[Click]
    dead_letters: Sequence[DeadLetter]


def decode_records(records: Sequence[Record]) -> list[Click | DeadLetter]:
    """An entry a record, in order."""
    return [_decode_record(record) for record in records]


def cut(fetched: Fetched, entries: Sequence[Click | DeadLetter], *, max_rows: int) -> list[Batch]:
    """Batches that together cover the fetched range without gaps, each with at most `max_rows` clicks.

    `entries` are the fetched records decoded. Dead letters and damaged bytes belong to the range around them.
    """
    if fetched.start == fetched.end:
        return []
    if fetched.planned:
        return [_batch(fetched, fetched.start, fetched.end, entries)]
    batches = []
    start, first = fetched.start, 0
    for index in _cuts(entries, max_rows):
        end = fetched.records[index - 1].next_position
        batches.append(_batch(fetched, start, end, entries[first:index]))
        start, first = end, index
    batches.append(_batch(fetched, start, fetched.end, entries[first:]))
    return batches


def month_bounds_ms(ts_ms: int) -> tuple[int, int]:
    """The calendar month in UTC around a time: its first millisecond and that of the next."""
    moment = datetime.fromtimestamp(ts_ms / 1000, UTC)
    start = datetime(moment.year, moment.month, 1, tzinfo=UTC)
    end = datetime(moment.year + moment.month // 12, moment.month % 12 + 1, 1, tzinfo=UTC)
    return int(start.timestamp()) * 1000, int(end.timestamp()) * 1000


def _cuts(entries: Sequence[Click | DeadLetter], max_rows: int) -> Iterator[int]:
    """Indexes of the clicks that begin a new batch, the first batch's excepted."""
    rows = 0
    month_start = month_end = -1
    for index, entry in enumerate(entries):
        if isinstance(entry, DeadLetter):
            continue
        within = month_start <= entry.ts_ms < month_end
        if rows == max_rows or not within:
            if rows:
                yield index
            rows = 0
            if not within:
                month_start, month_end = month_bounds_ms(entry.ts_ms)
        rows += 1


def _batch(fetched: Fetched, start: int, end: int, entries: Sequence[Click | DeadLetter]) -> Batch:
    clicks = [entry for entry in entries if isinstance(entry, Click)]
    dead = [entry for entry in entries if isinstance(entry, DeadLetter)] if len(clicks) < len(entries) else []
    return Batch(Range(fetched.partition, start, end), clicks, dead)


def _decode_record(record: Record) -> Click | DeadLetter:
    try:
        return decode(record.value)
    except UndecodableError as error:
        return DeadLetter(record.next_position, error.reason, str(error), record.value)
