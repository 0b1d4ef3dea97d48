"""Which windows of the rollups make up a span of time, and what of it is left to the rows. Pure."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aggregator.contract import DAY_S

Span = tuple[int, int]
"""Unix ms, half open."""


class Piece(NamedTuple):
    """A window of the rollups, by its primary key and version. Seconds are Unix time."""

    subject: int
    grain_s: int
    start_s: int
    changes: int


Usable = Mapping[tuple[int, int], int]
"""The version of each window that holds, by its grain and start (both in s)."""


@dataclass(frozen=True, slots=True)
class Cover:
    """Windows and spans that together are a span of time, each of its moments once."""

    pieces: list[Piece] = field(default_factory=list)
    rest: list[Span] = field(default_factory=list)


_DAY_MS: Final = DAY_S * 1000


def begins_every_s(grain_s: int) -> int:
    """Windows of several days begin at each midnight of UTC, others where the one before ends."""
    return min(grain_s, DAY_S)


def cover(
    span: Span, subject: int, usable: Usable, grains_s: Iterable[int], clicked_days: Container[int]
) -> Cover:
    """The largest usable windows of one subject that lie in the span, and the spans between them.

    Days (numbered from 1970) without clicks are left out.
    """
    grains = sorted(grains_s, reverse=True)
    found = Cover()
    at, end = span
    finest_ms = grains[-1] * 1000
    while at < end:
        for grain_s in grains:
            step = grain_s * 1000
            if at % (begins_every_s(grain_s) * 1000) == 0 and at + step <= end:
                changes = usable.get((grain_s, at // 1000))
                if changes is not None:
                    found.pieces.append(Piece(subject, grain_s, at // 1000, changes))
                    at += step
                    break
        else:
            if at % _DAY_MS == 0 and at + _DAY_MS <= end and at // _DAY_MS not in clicked_days:
                at += _DAY_MS
                continue
            begin, at = at, min(end, (at // finest_ms + 1) * finest_ms)
            if found.rest and found.rest[-1][1] == begin:
                begin = found.rest.pop()[0]
            found.rest.append((begin, at))
    return found
