"""Counts from the rollups. Clicks are exact. Uniques are told from samples of the visitors of each window.

Visitors of a window are known, but somebody who came in two windows is among both. How many did is told by
the samples: of the hashes that all windows' samples would hold, those of the largest window are taken as new,
and `returning` is which share of the others was there already. So uniques are the visitors of all windows,
less that share of those of all windows but the largest. That one has nine tenths of them in a month's report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from api.reports.rows import NO_CLICKS, Counted
from api.reports.window_cache import Column, Hashes, Integers, Names, column_of, marks_of

# How much keys differ in how many of their visitors come back: the standard deviation, as a share of that.
# The fewer sampled visitors a key has, the more it is told from the whole dimension's.
KEYS_DIFFER_BY: Final = 0.3

_NO_HASHES: Final = np.empty(0, np.uint64)

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimated:
    """Counts of everything, and how many visitors all windows and rests have together."""

    counted: Counted = NO_CLICKS
    in_parts: int = 0
    is_estimate: bool = False


@dataclass(frozen=True, slots=True)
class Returning:
    """Which share of visitors was there before: in all windows but the largest, and in the rests."""

    of_windows: float
    of_rests: float


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The keys of a dimension that were clicked, the most clicked first, and their counts."""

    keys: Sequence[str]
    clicks: Integers
    human: Integers
    visitors: Integers
    is_estimate: bool


def level_of(columns: Sequence[Column]) -> int:
    """The level that the samples of these windows of everything have in common."""
    return max((int(column.levels.max()) for column in columns if len(column.levels)), default=0)


def merge_total(
    names: Names, columns: Sequence[Column], rests: Sequence[tuple[Counted, Hashes]] = ()
) -> Estimated:
    """Everything in these windows and in the rests, each visitor once.

    Beside a rest's counts stand the hashes of its visitors, at least of all that end in `level_of(columns)`
    zero bits.
    """
    of_rests = [
        column_of(names.number([""]), np.asarray([counted[:3]], np.int64), hashes)
        for counted, hashes in rests
        if counted.clicks
    ]
    if not columns and not of_rests:
        return Estimated()
    found = _Sum.of([*columns, *of_rests])
    shares = found.returning()
    returning = np.zeros(found.size) if shares is None else shares[:-1]
    counted = Counted(
        clicks=int(found.clicks.sum()),
        human=int(found.human.sum()),
        visitors=int(found.unique(returning).sum()),
        previews=sum(column.previews for column in columns) + sum(rest.previews for rest, _ in rests),
    )
    return Estimated(counted, int(found.visitors.sum()), found.is_of_several)


def sum_windows(columns: Sequence[Column]) -> "WindowSum":
    """A dimension's keys in windows, added up: what a report can keep while it reads the same windows."""
    found = _Sum.of(columns)
    return WindowSum(found, found.returning())


def tell_returning(
    names: Names,
    columns: Sequence[Column],
    windows: "WindowSum | None",
    rests: Sequence[tuple[Counted, Hashes]],
) -> Returning:
    """By the samples of these windows of everything, added up, and the hashes of the rests' visitors."""
    shares = None if windows is None else windows.returning
    of_windows = 0.0 if shares is None else float(shares[-1])
    mask = np.uint64((1 << level_of(columns)) - 1)
    number = names.number([""])
    hashes = np.concatenate([_NO_HASHES, *(found for _, found in rests)])
    marks = marks_of(hashes[hashes & mask == 0], number)
    distinct = np.unique(marks)
    is_known = np.zeros(len(distinct), np.bool_)
    for column in columns:
        is_known |= column.has(distinct)
    again = is_known.sum() + len(marks) - len(distinct)
    weight = _weight(of_windows) if 0 < of_windows < 1 else 0.0
    of_rests = (again + weight * of_windows) / max(1.0, len(marks) + weight)
    return Returning(of_windows, float(of_rests))


def merge_keys(
    names: Names,
    windows: "WindowSum | None",
    rests: Sequence[Column],
    total: Estimated,
    returning: Returning,
) -> Breakdown:
    """The keys in windows and in the rests. `total` and `returning` are of everything there."""
    of_rests = [rest for rest in rests if len(rest.keys)]
    if windows is not None:
        found = windows.sum.joined(of_rests)
        told = windows.unique(found, returning)
    elif of_rests:
        found = _Sum.of(of_rests)
        told = found.unique(np.full(found.size, returning.of_rests))
    else:
        nothing = np.zeros(0, np.int64)
        return Breakdown((), nothing, nothing, nothing, is_estimate=False)
    told[found.visitors == total.in_parts] = total.counted.visitors  # everybody has this key
    clicked = np.flatnonzero(found.clicks)
    order = clicked[np.lexsort((names.ranks()[clicked], -found.clicks[clicked]))]
    return Breakdown(
        keys=[names.texts[at] for at in order.tolist()],
        clicks=found.clicks[order],
        human=found.human[order],
        visitors=told[order],
        is_estimate=found.is_of_several,
    )


def _weight(share: float) -> float:
    """How many sampled visitors a share that is known beforehand is worth, by how much keys differ in it."""
    return (1 - share) / (KEYS_DIFFER_BY**2 * share)


@dataclass(frozen=True, slots=True)
class _Sum:
    """Sums over windows by key; how many visitors were in the largest window, and in any one at the most."""

    clicks: Integers
    human: Integers
    visitors: Integers
    in_largest: Integers
    in_one: Integers
    largest: Column
    others: Sequence[Column]

    @classmethod
    def of(cls, columns: Sequence[Column]) -> Self:
        """Of one window at least."""
        largest = max(columns, key=lambda column: int(column.visitors.sum()))
        others = [column for column in columns if column is not largest]
        empty = np.zeros(0, np.int64)
        nothing = cls(empty, empty, empty, empty, empty, largest, others)
        found = nothing.joined(columns)
        found.in_largest[largest.keys] = largest.visitors
        return found

    @property
    def size(self) -> int:
        return len(self.clicks)

    def joined(self, more: Sequence[Column]) -> Self:
        """With what is in windows without samples."""
        size = max((int(column.keys.max(initial=-1)) + 1 for column in more), default=0)
        grown = np.zeros((5, max(size, self.size)), np.int64)
        grown[:, : self.size] = self.clicks, self.human, self.visitors, self.in_largest, self.in_one
        clicks, human, visitors, in_largest, in_one = grown
        for column in more:
            clicks[column.keys] += column.clicks
            human[column.keys] += column.human
            visitors[column.keys] += column.visitors
            in_one[column.keys] = np.maximum(in_one[column.keys], column.visitors)
        return replace(
            self, clicks=clicks, human=human, visitors=visitors, in_largest=in_largest, in_one=in_one
        )

    @property
    def is_of_several(self) -> bool:
        return bool((self.visitors > self.in_one).any())

    def unique(self, returning: Shares) -> Integers:
        told = self.visitors - np.rint((self.visitors - self.in_largest) * returning).astype(np.int64)
        return np.clip(told, self.in_one, self.human)

    def returning(self) -> Shares | None:
        """Of each key: by its own sampled visitors, and by the whole dimension's as far as these are few.

        A visitor need not keep to a key, so a dimension has another share than all visitors have. The last
        element is the dimension's; None where no sample tells anything.
        """
        size = self.size
        top = np.zeros(size, np.int64)
        for column in (self.largest, *self.others):
            top[column.keys] = np.maximum(top[column.keys], column.levels)
        masks = (np.uint64(1) << top.astype(np.uint64)) - np.uint64(1)
        marks, keys = [_NO_HASHES], [np.empty(0, np.int64)]
        for column in self.others:
            is_common = column.sample & masks[column.sample_keys] == 0
            marks.append(column.marks[is_common])
            keys.append(column.sample_keys[is_common])
        of_keys = np.concatenate(keys)
        distinct, first = np.unique(np.concatenate(marks), return_index=True)
        is_new = ~self.largest.has(distinct)
        hits = np.bincount(of_keys, minlength=size)
        again = hits - np.bincount(of_keys[first[is_new]], minlength=size)
        if not hits.sum():
            return None
        share = again.sum() / hits.sum()
        if not 0 < share < 1:
            return np.full(size + 1, share)
        weight = _weight(float(share))
        return np.append((again + weight * share) / (hits + weight), share)


@dataclass(frozen=True, slots=True)
class WindowSum:
    """Windows added up, and which share of visitors in all but the largest were there already, by key."""

    sum: _Sum
    returning: Shares | None

    def unique(self, joined: _Sum, returning: Returning) -> Integers:
        """The visitors of each key, here and in the rests that it was joined with.

        Those of a rest return as much more or less often than the windows' as they do without keys.
        """
        shares = (
            np.full(self.sum.size + 1, returning.of_windows) if self.returning is None else self.returning
        )
        size = self.sum.size
        told = np.zeros(joined.size, np.int64)
        told[:size] = self.sum.unique(shares[:-1])
        in_rests = joined.visitors.copy()
        in_rests[:size] -= self.sum.visitors
        share = np.zeros(joined.size)
        scale = returning.of_rests / returning.of_windows if returning.of_windows else 0.0
        share[:size] = np.where(self.sum.visitors > 0, np.minimum(1, shares[:-1] * scale), 0)
        told += np.rint(in_rests * (1 - share)).astype(np.int64)
        return np.clip(told, joined.in_one, joined.human)
