"""Cutting what was fetched into batches. Pure; the same range is always cut the same way.

A batch is one insert: one range of one partition, named by its token for ever. It must not straddle what the
warehouse partitions its table by, the calendar month in UTC, because only a block of one month is stored as a
whole or not at all. A planned range was cut right by whoever planned it, and is never cut again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from ingest.clicks import Clicks
from ingest.decode import Click, DeadReason, UndecodableError, decode
from ingest.decode_columns import decode_columns
from ingest.repeats import REPEATED, Repeat, spans_of
from ingest.sources.source import Fetched, Range

MAX_SPANS: Final = 64
"""At most so many runs of repeats are left out of one batch, so that its plan fits in Kafka's metadata."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that is no click. `position` is the one behind it; `detail` says what is wrong."""

    position: int
    reason: DeadReason
    detail: str
    value: bytes


Entry = Click | DeadLetter | Repeat


@dataclass(frozen=True, slots=True)
class Batch:
    """A range with the clicks in it, all of one month and in order, and the dead letters among them.

    `repeats` counts the records that the range leaves out. Where somebody planned it before,
    `was_planned`, its rows may be stored.
    """

    range: Range
    clicks: Sequence[Click]
    dead_letters: Sequence[DeadLetter]
    repeats: int = 0
    was_planned: bool = False


def decode_records(fetched: Fetched) -> Sequence[Click | DeadLetter]:
    """An entry a record, in order. As columns where all are clicks as edges write them."""
    if fetched.values and (clicks := decode_columns(fetched.values)) is not None:
        return clicks
    entries: list[Click | DeadLetter] = []
    for value, end in zip(fetched.values, fetched.ends, strict=True):
        try:
            entries.append(decode(value))
        except UndecodableError as error:
            entries.append(DeadLetter(end, error.reason, str(error), value))
    return entries


def cut(fetched: Fetched, entries: Sequence[Entry], *, max_rows: int) -> list[Batch]:
    """Batches that together cover the fetched range without gaps, each with at most `max_rows` clicks.

    `entries` are the fetched records decoded, repeats marked. Dead letters, repeats and damaged bytes belong
    to the range around them.
    """
    if fetched.start == fetched.end:
        return []
    if fetched.planned:
        whole = fetched.part(fetched.start, fetched.end, fetched.left_out)
        return [replace(_batch(whole, entries), was_planned=True)]
    batches: list[Batch] = []
    may_repeat = fetched.floors is not None and not isinstance(entries, Clicks) and REPEATED in entries
    start, first = fetched.start, 0
    for index in (*_cuts(entries, max_rows), len(entries)):
        end = fetched.end if index == len(entries) else fetched.ends[index - 1]
        part = entries[first:index]
        left_out = spans_of(part, fetched.ends[first:index], start) if may_repeat else ()
        batches.append(_batch(fetched.part(start, end, left_out), part))
        start, first = end, index
    return batches


def month_bounds_ms(ts_ms: int) -> tuple[int, int]:
    """The calendar month in UTC around a time: its first millisecond and that of the next."""
    moment = datetime.fromtimestamp(ts_ms / 1000, UTC)
    start = datetime(moment.year, moment.month, 1, tzinfo=UTC)
    end = datetime(moment.year + moment.month // 12, moment.month % 12 + 1, 1, tzinfo=UTC)
    return int(start.timestamp()) * 1000, int(end.timestamp()) * 1000


def _cuts(entries: Sequence[Entry], max_rows: int) -> Iterator[int]:
    """Indexes of the entries that begin a new batch, the first batch's excepted."""
    if _is_one_month(entries):
        yield from range(max_rows, len(entries), max_rows)
        return
    rows = spans = 0
    month_start = month_end = -1
    before: Entry | None = None
    for index, entry in enumerate(entries):
        if isinstance(entry, Click):
            within = month_start <= entry.ts_ms < month_end
            if rows == max_rows or not within:
                if rows:
                    yield index
                    spans = 0
                rows = 0
                if not within:
                    month_start, month_end = month_bounds_ms(entry.ts_ms)
            rows += 1
        elif entry is REPEATED and before is not REPEATED:
            if spans == MAX_SPANS:
                yield index
                rows = spans = 0
            spans += 1
        before = entry


def _is_one_month(entries: Sequence[Entry]) -> bool:
    """Whether they are clicks of one month and nothing else, as they mostly are."""
    if not isinstance(entries, Clicks):
        return False
    start, end = month_bounds_ms(int(entries.ts_ms.min()))
    return start <= int(entries.ts_ms.max()) < end


def _batch(covered: Range, entries: Sequence[Entry]) -> Batch:
    if isinstance(entries, Clicks):
        return Batch(covered, entries, [])
    clicks = [entry for entry in entries if isinstance(entry, Click)]
    dead = [entry for entry in entries if isinstance(entry, DeadLetter)]
    return Batch(covered, clicks, dead, len(entries) - len(clicks) - len(dead))
