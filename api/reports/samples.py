"""Windows added up by the samples of their visitors. Pure.

Visitors of a window are known, but somebody who came in two windows is among both. How many did is told by
the samples: of the hashes that all windows' samples would hold, those of the largest window are taken as new,
and `returning` is which share of the others was there already. So uniques are the visitors of all windows,
less that share of those of all windows but the largest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from api.reports.window_cache import Column, Hashes, Integers, Shares

# How much keys differ in how many of their visitors come back: the standard deviation, as a share of that.
# The fewer sampled visitors a key has, the more it is told from the whole dimension's.
KEYS_DIFFER_BY: Final = 0.3

NO_HASHES: Final[Hashes] = np.empty(0, np.uint64)


def level_of(columns: Sequence[Column]) -> int:
    """The level that the samples of these windows of everything have in common."""
    return max((int(column.levels.max()) for column in columns if len(column.levels)), default=0)


def weight_of(share: float) -> float:
    """How many sampled visitors a share that is known beforehand is worth, by how much keys differ in it."""
    return (1 - share) / (KEYS_DIFFER_BY**2 * share) if 0 < share < 1 else 0.0


def count_seen(before: Sequence[Column], after: Sequence[Column]) -> tuple[int, int]:
    """Of everything: how many visitors the later windows' samples have, and how many the earlier ones had."""
    mask = np.uint64((1 << level_of([*before, *after])) - 1)
    distinct = np.unique(
        np.concatenate([NO_HASHES, *(each.marks[each.sample & mask == 0] for each in after)])
    )
    is_seen = np.zeros(len(distinct), np.bool_)
    for column in before:
        is_seen |= column.has(distinct)
    return len(distinct), int(is_seen.sum())


@dataclass(frozen=True, slots=True)
class Counts:
    """Of keys, by their numbers: sums over windows, and how many visitors were in any one at the most."""

    clicks: Integers
    human: Integers
    visitors: Integers
    in_one: Integers

    @property
    def size(self) -> int:
        return len(self.clicks)

    @property
    def is_of_several(self) -> bool:
        return bool((self.visitors > self.in_one).any())

    def joined(self, more: Sequence[Column]) -> "Counts":
        """With what is in other windows."""
        size = max((int(column.keys.max(initial=-1)) + 1 for column in more), default=0)
        grown = np.zeros((4, max(size, self.size)), np.int64)
        grown[:, : self.size] = self.clicks, self.human, self.visitors, self.in_one
        clicks, human, visitors, in_one = grown
        for column in more:
            clicks[column.keys] += column.clicks
            human[column.keys] += column.human
            visitors[column.keys] += column.visitors
            in_one[column.keys] = np.maximum(in_one[column.keys], column.visitors)
        return Counts(clicks, human, visitors, in_one)


_EMPTY: Final = np.zeros(0, np.int64)
NO_COUNTS: Final = Counts(_EMPTY, _EMPTY, _EMPTY, _EMPTY)


@dataclass(frozen=True, slots=True)
class SampledSum:
    """Windows added up; how many visitors of each key were in the largest."""

    counts: Counts
    in_largest: Integers
    largest: Column
    others: Sequence[Column]

    @classmethod
    def of(cls, columns: Sequence[Column]) -> Self:
        """Of one window at least."""
        largest = max(columns, key=lambda column: int(column.visitors.sum()))
        others = [column for column in columns if column is not largest]
        counts = NO_COUNTS.joined(columns)
        in_largest = np.zeros(counts.size, np.int64)
        in_largest[largest.keys] = largest.visitors
        return cls(counts, in_largest, largest, others)

    def unique(self, returning: Shares | float) -> Integers:
        """Visitors, each once, if these shares of those in all windows but the largest were there already."""
        counts = self.counts
        again = np.rint((counts.visitors - self.in_largest) * returning).astype(np.int64)
        told: Integers = np.clip(counts.visitors - again, counts.in_one, counts.human)
        return told

    def returning(self) -> Shares | None:
        """Of each key: by its own sampled visitors, and by the whole dimension's as far as these are few.

        A visitor need not keep to a key, so a dimension has another share than all visitors have. The last
        element is the dimension's; None where no sample tells anything.
        """
        size = self.counts.size
        top = np.zeros(size, np.int64)
        for column in (self.largest, *self.others):
            top[column.keys] = np.maximum(top[column.keys], column.levels)
        masks = (np.uint64(1) << top.astype(np.uint64)) - np.uint64(1)
        marks, keys = [NO_HASHES], [np.empty(0, np.int64)]
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
        share = float(again.sum() / hits.sum())
        if not 0 < share < 1:
            return np.full(size + 1, share)
        weight = weight_of(share)
        return np.append((again + weight * share) / (hits + weight), share)
