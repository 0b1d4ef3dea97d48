"""Counts of clicks that are kept up while more arrive: only those of their visitors are counted again. Pure.

Counts of clicks by different visitors add up. So what newer clicks change is the counts of their visitors:
those as they were are taken away, those as they are now are added.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from aggregator.contract import Dimension
from api.reports.click_arrays import ClickArrays, ClickCounts
from api.reports.rows import Tally
from api.reports.window_cache import Hashes, Integers

# With more clicks newer than this share of all, all are counted again.
MAX_NEWER: Final = 0.1


@dataclass(frozen=True, slots=True)
class Question:
    """What is counted: clicks from a time on (Unix ms), cut how; see `api.reports.rows.count_rows`."""

    begin_ms: int
    starts_ms: tuple[int, ...]
    by: tuple[Dimension, ...]
    human_only: bool
    level: int | None


@dataclass(frozen=True, slots=True)
class RunningCounts:
    """Of the first `length` of some clicks, up to `end_ms`; `order` has their visitors' hashes sorted."""

    question: Question
    length: int
    end_ms: int
    clicks: ClickArrays
    counts: ClickCounts
    order: npt.NDArray[np.intp]
    hashes: Hashes
    sampled: dict[int, Hashes]

    @classmethod
    def of(cls, clicks: ClickArrays, end_ms: int, question: Question) -> Self:
        chosen = clicks.chosen((question.begin_ms, end_ms), human_only=question.human_only)
        starts = np.asarray(question.starts_ms, np.int64)
        order = np.argsort(chosen.hashes, kind="stable")
        return cls(
            question,
            len(clicks),
            end_ms,
            chosen,
            chosen.count(starts, question.by),
            order,
            chosen.hashes[order],
            chosen.sampled(starts, question.level),
        )

    def tally(self, clicks: ClickArrays, end_ms: int) -> Tally | None:
        """Of all clicks up to a time, the first of which are known; None where counting anew takes less."""
        question = self.question
        starts = np.asarray(question.starts_ms, np.int64)
        newer = self._newer(clicks, end_ms)
        if end_ms < self.end_ms or len(newer) > MAX_NEWER * len(self.clicks):
            return None
        counts, sampled = self.counts, self.sampled
        if len(newer):
            known = self.clicks.at(self._clicks_of(np.unique(newer.hashes)))
            now = known.joined(newer)
            counts = counts.plus(known.count(starts, question.by), -1).plus(now.count(starts, question.by))
            more = newer.sampled(starts, question.level)
            sampled = dict(sampled)
            for at, found in more.items():
                sampled[at] = np.union1d(sampled[at], found) if at in sampled else found
        return counts.tally(starts, question.by, sampled)

    def _newer(self, clicks: ClickArrays, end_ms: int) -> ClickArrays:
        """Those that were not counted, because they were not stored yet or lay behind the end."""
        is_newer = clicks.at_ms >= self.end_ms
        is_newer[self.length :] = True
        span = (self.question.begin_ms, end_ms)
        return clicks.at(np.flatnonzero(is_newer)).chosen(span, human_only=self.question.human_only)

    def _clicks_of(self, hashes: Hashes) -> Integers:
        """Where the counted clicks of these visitors are."""
        first = np.searchsorted(self.hashes, hashes, "left")
        counts = np.searchsorted(self.hashes, hashes, "right") - first
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        places: Integers = self.order[np.repeat(first, counts) + offsets]
        return places
