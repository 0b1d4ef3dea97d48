"""Records that repeat earlier ones: found by source and number. Pure.

Holds where one source goes to one partition and is sent in order (`ingest/sources/kafka.py`, invariant 4).
"""

from collections.abc import Collection, Iterable, Sequence
from enum import Enum
from typing import Final, Literal, TypeVar

import numpy as np

from ingest.clicks import Clicks
from ingest.decode import Click
from ingest.sources.source import Spans


class Repeat(Enum):
    """What stands for a record that came before and is left out."""

    REPEATED = "repeated"


REPEATED: Final[Literal[Repeat.REPEATED]] = Repeat.REPEATED
Entry = TypeVar("Entry")


def unknown_sources(entries: Iterable[object], floors: Collection[int]) -> set[int]:
    """Sources of clicks among the entries of which no floor is known."""
    if isinstance(entries, Clicks):
        return set(entries.source.values).difference(floors)
    return {entry.source for entry in entries if isinstance(entry, Click)}.difference(floors)


def find_repeats(entries: Sequence[Entry], floors: dict[int, int]) -> tuple[Sequence[Entry | Repeat], int]:
    """The entries with those replaced that came before, and how many numbers were jumped over.

    `floors` has the highest number seen of every source among them, and is kept up to date.
    """
    highest = _highest_in_order(entries, floors) if isinstance(entries, Clicks) else None
    if highest is not None:
        jumped = sum(seq - floors[source] for source, seq in highest.items())
        floors.update(highest)
        return entries, jumped - len(entries)
    found: list[Entry | Repeat] = []
    missing = 0
    for entry in entries:
        if isinstance(entry, Click):
            floor = floors[entry.source]
            if entry.seq <= floor:
                found.append(REPEATED)
                continue
            missing += entry.seq - floor - 1
            floors[entry.source] = entry.seq
        found.append(entry)
    return found, missing


def _highest_in_order(clicks: Clicks, floors: dict[int, int]) -> dict[int, int] | None:
    """Of each source the highest number, where each number is above all before; else None."""
    highest = {}
    for code, source in enumerate(clicks.source.values):
        seqs = clicks.seq[clicks.source.codes == code]
        if (np.diff(seqs, prepend=floors[source]) <= 0).any():
            return None
        highest[source] = int(seqs[-1])
    return highest


def leave_out(entries: Sequence[Entry], ends: Sequence[int], spans: Spans) -> list[Entry | Repeat]:
    """The entries with those replaced whose records lie in the spans, as a plan says.

    `ends` are the positions behind the records.
    """
    left: list[Entry | Repeat] = []
    waiting = iter(spans)
    span = next(waiting, None)
    for entry, end in zip(entries, ends, strict=True):
        while span is not None and span[1] < end:
            span = next(waiting, None)
        left.append(REPEATED if span is not None and span[0] < end else entry)
    return left


def spans_of(entries: Sequence[object], ends: Sequence[int], start: int) -> Spans:
    """Where the repeats among the entries lie.

    `start` is the position before the first record, `ends` are those behind each.
    """
    spans: list[tuple[int, int]] = []
    before = start
    for entry, end in zip(entries, ends, strict=True):
        if entry is REPEATED:
            if spans and spans[-1][1] == before:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((before, end))
        before = end
    return tuple(spans)
