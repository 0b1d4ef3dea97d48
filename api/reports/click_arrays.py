"""Clicks as arrays, a number for each key, and what they count up to. Pure."""

from collections.abc import Sequence
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

    def tally(
        self, bucket_starts_ms: Sequence[int], by: Sequence[Dimension], level: int | None = None
    ) -> Tally:
        """Counts of all of them. With a level, also the visitors' hashes that end in so many zero bits."""
        visits = _Visits.of(self)
        starts = np.asarray(bucket_starts_ms, np.int64)
        bucket = np.maximum(np.searchsorted(starts, self.at_ms, "right") - 1, 0)
        clicks, human, visitors = visits.count(bucket, len(starts))
        previews = np.bincount(bucket[self.is_preview], minlength=len(starts))
        counts = np.stack([clicks, human, visitors, previews], axis=1)
        found = np.flatnonzero(clicks)
        sampled: dict[int, Sequence[int]] = {}
        if level is not None:
            is_sampled = self.is_human & (self.hashes & np.uint64((1 << level) - 1) == 0)
            for at in np.unique(bucket[is_sampled]).tolist():
                sampled[int(starts[at])] = np.unique(self.hashes[is_sampled & (bucket == at)]).tolist()
        everything = visits.count(np.zeros(len(self), np.int64), 1)
        total_clicks, total_human, total_visitors = (int(count[0]) for count in everything)
        return Tally(
            total=Counted(total_clicks, total_human, total_visitors, int(self.is_preview.sum())),
            buckets={int(starts[at]): Counted(*counts[at].tolist()) for at in found.tolist()},
            keys={dimension: self._column(visits, dimension) for dimension in by},
            hashes=sampled,
        )

    def _column(self, visits: "_Visits", dimension: Dimension) -> Column:
        keys = self.keys[DIMENSIONS.index(dimension)]
        counts = np.stack(visits.count(keys, int(keys.max(initial=0)) + 1), axis=1)
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
