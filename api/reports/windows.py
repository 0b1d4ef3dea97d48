"""Counts from the rollups. Clicks are exact. Uniques are told from samples of the visitors of each window.

Visitors of a window are known, but somebody who came in two windows is among both. How many did is told by
the samples: of the hashes that all windows' samples would hold, those of the largest window are taken as new,
and `returning` is which share of the others was there already. So uniques are the visitors of all windows,
less that share of those of all windows but the largest. That one has nine tenths of them in a month's report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from api.reports.rows import NO_CLICKS, Counted
from api.reports.window_cache import Column, Hashes, Integers, Names

# How much keys differ in how many of their visitors come back: the standard deviation, as a share of that.
# The fewer sampled visitors a key has, the more it is told from the whole dimension's.
KEYS_DIFFER_BY: Final = 0.3

_NO_HASHES: Final = np.empty(0, np.uint64)
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)

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
    columns: Sequence[Column], rest: Counted = NO_CLICKS, hashes: Hashes = _NO_HASHES
) -> Estimated:
    """Everything in these windows and in the rest, each visitor once.

    `hashes` are those of the rest's visitors, at least of all that end in `level_of(columns)` zero bits.
    """
    returning = _share_of_returning(columns, hashes) if len(columns) > 1 or rest.visitors else 0.0
    visitors = [*(int(column.visitors.sum()) for column in columns), rest.visitors]
    human = sum(int(column.human.sum()) for column in columns) + rest.human
    unique = round(sum(visitors) - returning * (sum(visitors) - max(visitors)))
    counted = Counted(
        clicks=sum(int(column.clicks.sum()) for column in columns) + rest.clicks,
        human=human,
        visitors=min(human, unique),
        previews=sum(column.previews for column in columns) + rest.previews,
    )
    return Estimated(counted, returning, sum(visitors) > max(visitors) and bool(columns))


def _share_of_returning(columns: Sequence[Column], hashes: Hashes) -> float:
    mask = np.uint64((1 << level_of(columns)) - 1)
    samples = [each[each & mask == 0] for each in (*(column.sample for column in columns), hashes)]
    hits = [len(sample) for sample in samples]
    others = sum(hits) - max(hits)
    return (sum(hits) - len(np.unique(np.concatenate(samples)))) / others if others else 0.0


def merge_keys(
    names: Names, columns: Sequence[Column], rest: Mapping[str, Counted], returning: float
) -> Breakdown:
    """The keys in these windows and in the rest. `returning` is that of everything."""
    every = [*columns, _column_of(names, rest)]
    clicks, human, visitors, largest = np.zeros((4, len(names.texts)), np.int64)
    for column in every:
        clicks[column.keys] += column.clicks
        human[column.keys] += column.human
        visitors[column.keys] += column.visitors
        largest[column.keys] = np.maximum(largest[column.keys], column.visitors)
    others = visitors - largest
    unique = visitors - np.rint(others * _returning(columns, len(names.texts), of_all=returning))
    texts = names.texts
    clicked = np.asarray(sorted(np.flatnonzero(clicks).tolist(), key=texts.__getitem__), np.int64)
    order = clicked[np.argsort(-clicks[clicked], kind="stable")]
    return Breakdown(
        keys=[texts[at] for at in order.tolist()],
        clicks=clicks[order],
        human=human[order],
        visitors=np.minimum(human, unique.astype(np.int64))[order],
        is_estimate=bool(others.any()) and bool(columns),
    )


def _column_of(names: Names, rest: Mapping[str, Counted]) -> Column:
    """The rest as one more window, without a sample."""
    counts = np.asarray([tuple(counted) for counted in rest.values()], np.int64).reshape(-1, 4)
    nothing = np.zeros(len(counts), np.int64)
    return Column(
        names.number(list(rest)), counts[:, 0], counts[:, 1], counts[:, 2], nothing, nothing, _NO_HASHES
    )


def _returning(columns: Sequence[Column], size: int, *, of_all: float) -> Shares:
    """Of each key: by its own sampled visitors, and by the whole dimension's as far as these are few.

    A visitor need not keep to a key, so a dimension has another share than all visitors have.
    """
    top, hits, largest = np.zeros((3, size), np.int64)
    for column in columns:
        top[column.keys] = np.maximum(top[column.keys], column.levels)
    masks = (np.uint64(1) << top.astype(np.uint64)) - np.uint64(1)
    marked = [np.empty((2, 0), np.uint64)]
    for column in columns:
        keys = np.repeat(column.keys, column.sampled)
        is_common = column.sample & masks[keys] == 0
        keys = keys[is_common]
        here = np.bincount(keys, minlength=size)
        hits += here
        largest = np.maximum(largest, here)
        marked.append(np.stack([column.sample[is_common], keys.astype(np.uint64)]))
    hashes, of_keys = np.concatenate(marked, axis=1)
    # Two visitors of two keys are one and the same number about once in 10 ** 19 pairs.
    _, first = np.unique(hashes * _ODD + of_keys, return_index=True)
    again = hits - np.bincount(of_keys[first].astype(np.int64), minlength=size)
    others = hits - largest
    share = again.sum() / others.sum() if others.sum() else of_all
    if not 0 < share < 1:
        return np.full(size, share)
    weight = (1 - share) / (KEYS_DIFFER_BY**2 * share)
    return (again + weight * share) / (others + weight)
