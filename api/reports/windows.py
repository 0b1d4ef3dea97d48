"""Counts from the rollups. Clicks are exact. Uniques are told from samples of the visitors of each window.

Visitors of a window are known, but somebody who came in two windows is among both. How many did is told by
the samples: of the hashes that all windows' samples would hold, those of the largest window are taken as new,
and `returning` is which share of the others was there already. So uniques are the visitors of all windows,
less that share of those of all windows but the largest. That one has nine tenths of them in a month's report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from api.reports.rows import NO_CLICKS, Counted
from api.reports.window_cache import Column, Hashes, Integers, Names, column_of

# How much keys differ in how many of their visitors come back: the standard deviation, as a share of that.
# The fewer sampled visitors a key has, the more it is told from the whole dimension's.
KEYS_DIFFER_BY: Final = 0.3

_NO_HASHES: Final = np.empty(0, np.uint64)

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimated:
    """Counts of everything, and which share of visitors in all windows but the largest were there already."""

    counted: Counted = NO_CLICKS
    returning: float = 0.0
    is_estimate: bool = False


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
    names: Names, columns: Sequence[Column], rest: Counted = NO_CLICKS, hashes: Hashes = _NO_HASHES
) -> Estimated:
    """Everything in these windows and in the rest, each visitor once.

    `hashes` are those of the rest's visitors, at least of all that end in `level_of(columns)` zero bits.
    """
    of_rest = column_of(names.number([""]), np.asarray([rest[:3]], np.int64), hashes)
    found = _Sum.of(names, [*columns, of_rest])
    returning = found.returning(of_all=0.0)
    counted = Counted(
        clicks=int(found.clicks.sum()),
        human=int(found.human.sum()),
        visitors=int(found.unique(returning).sum()),
        previews=sum(column.previews for column in columns) + rest.previews,
    )
    share = float(returning[0]) if len(returning) else 0.0
    return Estimated(counted, share, found.is_of_several and bool(columns))


def merge_keys(
    names: Names, columns: Sequence[Column], rest: Mapping[str, Counted], returning: float
) -> Breakdown:
    """The keys in these windows and in the rest. `returning` is that of everything."""
    counts = np.asarray([counted[:3] for counted in rest.values()], np.int64).reshape(-1, 3)
    found = _Sum.of(names, [*columns, column_of(names.number(list(rest)), counts)])
    texts = names.texts
    clicked = np.asarray(sorted(np.flatnonzero(found.clicks).tolist(), key=texts.__getitem__), np.int64)
    order = clicked[np.argsort(-found.clicks[clicked], kind="stable")]
    return Breakdown(
        keys=[texts[at] for at in order.tolist()],
        clicks=found.clicks[order],
        human=found.human[order],
        visitors=found.unique(found.returning(of_all=returning))[order],
        is_estimate=found.is_of_several and bool(columns),
    )


@dataclass(frozen=True, slots=True)
class _Sum:
    """Sums over windows by key, and those windows: the largest, and the others."""

    clicks: Integers
    human: Integers
    visitors: Integers
    in_largest: Integers
    largest: Column
    others: Sequence[Column]

    @classmethod
    def of(cls, names: Names, columns: Sequence[Column]) -> Self:
        clicks, human, visitors, in_largest = np.zeros((4, len(names.texts)), np.int64)
        for column in columns:
            clicks[column.keys] += column.clicks
            human[column.keys] += column.human
            visitors[column.keys] += column.visitors
        largest = max(columns, key=lambda column: int(column.visitors.sum()))
        in_largest[largest.keys] = largest.visitors
        others = [column for column in columns if column is not largest]
        return cls(clicks, human, visitors, in_largest, largest, others)

    @property
    def is_of_several(self) -> bool:
        return bool((self.visitors > self.in_largest).any())

    def unique(self, returning: Shares) -> Integers:
        told = self.visitors - np.rint((self.visitors - self.in_largest) * returning).astype(np.int64)
        return np.minimum(self.human, told)

    def returning(self, *, of_all: float) -> Shares:
        """Of each key: by its own sampled visitors, and by the whole dimension's as far as these are few.

        A visitor need not keep to a key, so a dimension has another share than all visitors have; that is
        taken where no sample tells anything.
        """
        size = len(self.visitors)
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
        share = again.sum() / hits.sum() if hits.sum() else of_all
        if not 0 < share < 1:
            return np.full(size, share)
        weight = (1 - share) / (KEYS_DIFFER_BY**2 * share)
        return (again + weight * share) / (hits + weight)
