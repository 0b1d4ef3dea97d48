"""Clicks as arrays, a number for each key, and what they count up to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

from aggregator.contract import DIMENSIONS, MAX_KEYS, Dimension
from api.reports.cover import Span
from api.reports.rows import Counted, Tally
from api.reports.window_cache import Column, Hashes, Integers, column_of, marks_of

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ClickArrays:
    """Clicks in no order: when (Unix ms), by whom, their verdict, and their keys, which are numbered."""

    at_ms: Integers
    hashes: Hashes
    is_human: Flags
    is_preview: Flags
    keys: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.at_ms)

    def joined(self, more: Self) -> Self:
        arrays = ((getattr(self, each.name), getattr(more, each.name)) for each in fields(self))
        return type(self)(*(np.concatenate(pair, axis=-1) for pair in arrays))

    def chosen(self, span: Span, *, human_only: bool) -> Self:
        """Those in a span."""
        wanted = (self.at_ms >= span[0]) & (self.at_ms < span[1])
        if human_only:
            wanted &= self.is_human
        if wanted.all():
            return self
        return type(self)(*(getattr(self, each.name)[..., wanted] for each in fields(self)))

    def at(self, places: npt.NDArray[np.integer]) -> Self:
        return type(self)(*(getattr(self, each.name)[..., places] for each in fields(self)))

    def count(self, starts_ms: Integers, by: Sequence[Dimension]) -> "ClickCounts":
        visits = _Visits.of(self)
        bucket = np.maximum(np.searchsorted(starts_ms, self.at_ms, "right") - 1, 0)
        previews = np.bincount(bucket[self.is_preview], minlength=len(starts_ms))
        everything = np.stack(visits.count(np.zeros(len(self), np.int64), 1), axis=1)
        keys = []
        for dimension in by:
            of_dimension = self.keys[DIMENSIONS.index(dimension)]
            keys.append(np.stack(visits.count(of_dimension, int(of_dimension.max(initial=-1)) + 1), axis=1))
        buckets = np.stack([*visits.count(bucket, len(starts_ms)), previews], axis=1)
        return ClickCounts(everything, buckets, tuple(keys))

    def sampled(self, starts_ms: Integers, level: int | None) -> dict[int, Hashes]:
        """Visitors' hashes that end in so many zero bits, by the bucket's start."""
        if level is None:
            return {}
        is_sampled = self.is_human & (self.hashes & np.uint64((1 << level) - 1) == 0)
        hashes = self.hashes[is_sampled]
        bucket = np.maximum(np.searchsorted(starts_ms, self.at_ms[is_sampled], "right") - 1, 0)
        return {int(starts_ms[at]): np.unique(hashes[bucket == at]) for at in np.unique(bucket).tolist()}


@dataclass(frozen=True, slots=True)
class ClickCounts:
    """Clicks, human ones and visitors: of everything, of buckets (with previews), of keys by their numbers.

    Those of clicks by different visitors add up.
    """

    everything: Integers
    buckets: Integers
    keys: tuple[Integers, ...]

    def plus(self, more: Self, sign: int = 1) -> Self:
        keys = zip(self.keys, more.keys, strict=True)
        return type(self)(
            self.everything + sign * more.everything,
            self.buckets + sign * more.buckets,
            tuple(_sum(mine, sign * others) for mine, others in keys),
        )

    def tally(self, starts_ms: Integers, by: Sequence[Dimension], hashes: Mapping[int, Hashes]) -> Tally:
        clicks, human, visitors = self.everything[0].tolist()
        found = np.flatnonzero(self.buckets[:, 0]).tolist()
        return Tally(
            total=Counted(clicks, human, visitors, int(self.buckets[:, 3].sum())),
            buckets={int(starts_ms[at]): Counted(*self.buckets[at].tolist()) for at in found},
            keys={dimension: _column(counts) for dimension, counts in zip(by, self.keys, strict=True)},
            hashes={at: found.tolist() for at, found in hashes.items()},
        )


def _sum(one: Integers, other: Integers) -> Integers:
    total = np.zeros((max(len(one), len(other)), 3), np.int64)
    total[: len(one)] += one
    total[: len(other)] += other
    return total


def _column(counts: Integers) -> Column:
    found = np.flatnonzero(counts[:, 0])
    if len(found) > MAX_KEYS:
        found = np.sort(found[np.argsort(-counts[found, 0], kind="stable")[:MAX_KEYS]])
    return column_of(found, counts[found])


@dataclass(frozen=True, slots=True)
class _Visits:
    """Human clicks by who made them. Most visitors make one, which needs no looking for others."""

    is_human: Flags
    is_only: Flags
    repeated: Integers
    hashes: Hashes

    @classmethod
    def of(cls, clicks: ClickArrays) -> Self:
        human = np.flatnonzero(clicks.is_human)
        order = human[np.argsort(clicks.hashes[human], kind="stable")]
        ordered = clicks.hashes[order]
        is_repeated = np.zeros(len(order), np.bool_)
        is_same = ordered[1:] == ordered[:-1]
        is_repeated[1:] |= is_same
        is_repeated[:-1] |= is_same
        is_only = clicks.is_human.copy()
        repeated = order[is_repeated]
        is_only[repeated] = False
        return cls(clicks.is_human, is_only, repeated, clicks.hashes[repeated])

    def count(self, keys: npt.NDArray[np.integer], size: int) -> tuple[Integers, Integers, Integers]:
        """Clicks, human ones and their visitors, of each key below `size`."""
        of_repeated = keys[self.repeated]
        _, first = np.unique(marks_of(self.hashes, of_repeated), return_index=True)
        visitors = np.bincount(keys[self.is_only], minlength=size)
        visitors += np.bincount(of_repeated[first], minlength=size)
        return (
            np.bincount(keys, minlength=size),
            np.bincount(keys[self.is_human], minlength=size),
            visitors,
        )
