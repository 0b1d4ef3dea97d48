"""Counts from the rollups. Clicks are exact, and so are uniques of whole days; those beside them are told.

Of days it is known who had been there before (`days.py`). Of hours and quarters, how often visitors
come back is told from samples (`samples.py`). How many visitors of the open day were there on the days before
is told for each key by how it was lately, more or less as it is for all visitors together, by their samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from api.reports.days import DaySum, WholeDays
from api.reports.rows import NO_CLICKS, Counted
from api.reports.samples import NO_HASHES, Counts, SampledSum, count_seen, level_of, weight_of
from api.reports.window_cache import Column, Hashes, Integers, Names, Shares, column_of, marks_of

# The dimension of everything has one key, whose number is 0.
_KEY: Final = np.zeros(1, np.int64)


@dataclass(frozen=True, slots=True)
class Estimated:
    """Counts of everything, and how many visitors all windows and rests have together."""

    counted: Counted = NO_CLICKS
    in_parts: int = 0
    is_estimate: bool = False


@dataclass(frozen=True, slots=True)
class Returning:
    """Which share of visitors was there before: of windows that are not whole days, and of the rests."""

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


@dataclass(frozen=True, slots=True)
class Windows:
    """A dimension's windows in a range: of its first day (head), whole days, and the others (tail).

    `parted` has the windows of each day among the whole ones that is made up of several.
    """

    head: Sequence[Column] = ()
    days: Sequence[Column] = ()
    tail: Sequence[Column] = ()
    parted: Sequence[Sequence[Column]] = ()


@dataclass(frozen=True, slots=True)
class Overlap:
    """What the samples of everything tell of whole days and of the tail.

    `of_days` is which part of the days' uniques there are, because windows are of several links or of longer
    ranges than who returned is known of; `of_tail` which share of the tail's visitors was there before, and
    `expected` which would have been if all were as lately (None: not known).
    """

    of_days: float
    of_tail: float
    expected: float | None

    @classmethod
    def of(cls, windows: Windows, sums: DaySum, days: WholeDays) -> "Overlap":
        """By windows of everything."""
        unique = float(sums.unique.sum())
        sampled = 1.0 if days.is_whole else merge_total(windows.days).counted.visitors / max(1.0, unique)
        expected = sums.dimension_share
        prior = expected or 0.0
        looked_at, seen = count_seen([*windows.head, *windows.days], windows.tail)
        weight = weight_of(prior)
        of_tail = (seen + weight * prior) / (looked_at + weight) if looked_at + weight else prior
        return cls(min(1.0, sampled), of_tail, expected)

    def shares(self, sums: DaySum, size: int) -> Shares:
        """Of each key's visitors in the tail, which share was there before."""
        of_dimension = sums.dimension_share
        if of_dimension is None or self.expected is None or not 0 < self.expected < 1:
            return np.full(size, self.of_tail)
        weight = weight_of(of_dimension)
        shares = np.full(size, of_dimension)
        again = sums.lately_again + weight * of_dimension
        shares[: len(sums.lately)] = again / np.maximum(sums.lately + weight, 1)
        if self.of_tail <= self.expected:
            return shares * (self.of_tail / self.expected)
        return 1 - (1 - shares) * (1 - self.of_tail) / (1 - self.expected)


@dataclass(frozen=True, slots=True)
class WindowSum:
    """A dimension's windows added up: what a report can keep while it reads the same ones.

    `told` are the visitors, each once. `returning` is which share of each key's visitors beside them was
    there already, its last element the dimension's.
    """

    counts: Counts
    told: Integers
    returning: Shares = field(default_factory=lambda: np.zeros(1))

    def unique(self, joined: Counts, returning: Returning) -> Integers:
        """The visitors of each key, here and in the rests that it was joined with.

        Those of a rest return as much more or less often than the windows' as they do without keys.
        """
        size = self.counts.size
        told = np.zeros(joined.size, np.int64)
        told[:size] = self.told
        in_rests = joined.visitors.copy()
        in_rests[:size] -= self.counts.visitors
        share = np.zeros(joined.size)
        scale = returning.of_rests / returning.of_windows if returning.of_windows else 0.0
        share[:size] = np.where(self.counts.visitors > 0, np.minimum(1, self.returning[:-1] * scale), 0)
        told += np.rint(in_rests * (1 - share)).astype(np.int64)
        return np.clip(told, joined.in_one, joined.human)


def sum_windows(columns: Sequence[Column]) -> WindowSum:
    """Windows of which none is a whole day, at least one."""
    found = SampledSum.of(columns)
    shares = found.returning()
    if shares is None:
        shares = np.zeros(found.counts.size + 1)
    return WindowSum(found.counts, found.unique(shares[:-1]), shares)


def sum_days(sums: DaySum, windows: Windows, days: WholeDays, overlap: Overlap) -> WindowSum:
    """Whole days, and the windows beside them; of `windows` the days themselves are not read."""
    of_days = Counts(sums.clicks, sums.human, sums.visitors, sums.in_one)
    counts = of_days.joined([*windows.head, *windows.tail, *(each for day in windows.parted for each in day)])
    size = of_days.size
    told = np.zeros(counts.size)
    told[:size] = sums.unique * overlap.of_days
    if windows.head:
        in_head = sum_windows(windows.head).told
        told[: len(in_head)] += in_head
        in_head = np.append(in_head, np.zeros(max(0, size - len(in_head)), np.int64))[:size]
        share = np.where(sums.of_head_day > 0, in_head / np.maximum(sums.of_head_day, 1), days.head_share)
        told[:size] -= sums.on_head_day * overlap.of_days * np.minimum(share, 1)
    for day in windows.parted:
        in_day = sum_windows(day).told
        told[: len(in_day)] += in_day * overlap.of_days
    shares = overlap.shares(sums, counts.size)
    if windows.tail:
        in_tail = sum_windows(windows.tail).told
        told[: len(in_tail)] += in_tail * (1 - shares[: len(in_tail)])
    unique = np.clip(np.rint(told).astype(np.int64), counts.in_one, counts.human)
    return WindowSum(counts, unique, np.append(shares, overlap.of_tail))


def merge_total(columns: Sequence[Column], rests: Sequence[tuple[Counted, Hashes]] = ()) -> Estimated:
    """Everything in these windows and in the rests, each visitor once, by samples.

    Beside a rest's counts stand the hashes of its visitors, at least of all that end in `level_of(columns)`
    zero bits.
    """
    parts = [*columns, *_columns_of(rests)]
    if not parts:
        return Estimated()
    summed = sum_windows(parts)
    return _estimated(summed.counts, summed.told, columns, rests)


def merge_everything(
    windows: WindowSum | None,
    columns: Sequence[Column],
    rests: Sequence[tuple[Counted, Hashes]],
    returning: Returning,
) -> Estimated:
    """Everything in windows that were added up (None: in none), whose columns these are, and in rests."""
    if windows is None:
        return merge_total(columns, rests)
    counts = windows.counts.joined(_columns_of(rests))
    return _estimated(counts, windows.unique(counts, returning), columns, rests)


def _columns_of(rests: Sequence[tuple[Counted, Hashes]]) -> list[Column]:
    """Rests as columns of the one key that everything has."""
    return [
        column_of(_KEY, np.asarray([counted[:3]], np.int64), hashes)
        for counted, hashes in rests
        if counted.clicks
    ]


def _estimated(
    counts: Counts, told: Integers, columns: Sequence[Column], rests: Sequence[tuple[Counted, Hashes]]
) -> Estimated:
    counted = Counted(
        clicks=int(counts.clicks.sum()),
        human=int(counts.human.sum()),
        visitors=int(told.sum()),
        previews=sum(column.previews for column in columns) + sum(rest.previews for rest, _ in rests),
    )
    return Estimated(counted, int(counts.visitors.sum()), counts.is_of_several)


def tell_returning(
    columns: Sequence[Column],
    windows: WindowSum | None,
    rests: Sequence[tuple[Counted, Hashes]],
) -> Returning:
    """By the samples of these windows of everything, added up, and the hashes of the rests' visitors."""
    of_windows = 0.0 if windows is None else float(windows.returning[-1])
    mask = np.uint64((1 << level_of(columns)) - 1)
    hashes = np.concatenate([NO_HASHES, *(found for _, found in rests)])
    chosen = hashes[hashes & mask == 0]
    marks = marks_of(chosen, _KEY)
    distinct = np.unique(marks)
    is_known = np.zeros(len(distinct), np.bool_)
    for column in columns:
        is_known |= column.has(distinct)
    again = is_known.sum() + len(marks) - len(distinct)
    weight = weight_of(of_windows)
    of_rests = (again + weight * of_windows) / max(1.0, len(marks) + weight)
    return Returning(of_windows, float(of_rests))


def merge_keys(
    names: Names,
    windows: WindowSum | None,
    rests: Sequence[Column],
    total: Estimated,
    returning: Returning,
) -> Breakdown:
    """The keys in windows and in the rests. `total` and `returning` are of everything there."""
    of_rests = [rest for rest in rests if len(rest.keys)]
    if windows is not None:
        found = windows.counts.joined(of_rests)
        told = windows.unique(found, returning)
    elif of_rests:
        summed = SampledSum.of(of_rests)
        found, told = summed.counts, summed.unique(returning.of_rests)
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
