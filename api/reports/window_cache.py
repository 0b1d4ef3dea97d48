"""Windows of the rollups as arrays, those read lately kept in memory.

A window of a given version never changes, so what is kept is right for ever; a report asks for versions that
hold. Keys are numbered, each dimension's by itself, so that windows are added up as arrays.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from api.reports.cover import Piece
from ingest.contract import Row, Warehouse

Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Shares = npt.NDArray[np.float64]

# About 100 MB; the windows of a month's report on many clicks hold 200,000.
MAX_NUMBERS: Final = 12_000_000

_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_NO_HASHES: Final = np.empty(0, np.uint64)

# All that is put into this text is our own. A window that was computed twice at one version is taken once.
_SQL: Final = """
SELECT subject, grain, toUnixTimestamp(start), changes, dimension, previews, keys, clicks, human, visitors,
    levels, sampled, sample
FROM rollup_keys
WHERE tenant = {tenant:String} AND scope = {scope:String} AND dimension IN {dimensions:Array(String)}
    AND (subject, grain, start) IN arrayZip({subjects:Array(UInt64)}, {grains:Array(UInt32)},
        arrayMap(each -> toDateTime(each, 'UTC'), {starts:Array(UInt32)}))
    AND changes IN {changes:Array(UInt64)}
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A dimension's keys in one window, by their numbers, and a sample of their visitors' hashes.

    `sample_keys` says whose each hash is; `marks` are numbers of the pairs of the two. Two pairs have the
    same one about once in 10 ** 19.
    """

    keys: Integers
    clicks: Integers
    human: Integers
    visitors: Integers
    levels: Integers
    sample: Hashes
    sample_keys: Integers
    marks: Hashes
    sorted_marks: Hashes
    previews: int = 0

    @property
    def size(self) -> int:
        return 5 * len(self.keys) + 4 * len(self.sample)

    def has(self, marks: Hashes) -> npt.NDArray[np.bool_]:
        """Which of these are among its own."""
        if not len(self.sorted_marks):
            return np.zeros(len(marks), np.bool_)
        at = np.searchsorted(self.sorted_marks, marks)
        found: npt.NDArray[np.bool_] = self.sorted_marks[np.minimum(at, len(self.sorted_marks) - 1)] == marks
        return found


def marks_of(hashes: Hashes, keys: npt.NDArray[np.integer]) -> Hashes:
    """A number for each pair of a visitor's hash and a key."""
    return hashes * _ODD + keys.astype(np.uint64)


def column_of(
    keys: Integers,
    counts: Integers,
    sample: Hashes = _NO_HASHES,
    *,
    levels: Integers | None = None,
    sampled: Integers | None = None,
    previews: int = 0,
) -> Column:
    """`counts` has clicks, human ones and visitors of each key. Left out, the sample is of the first one."""
    whose = np.full(len(sample), keys[:1]) if sampled is None else np.repeat(keys, sampled)
    marks = marks_of(sample, whose)
    return Column(
        keys=keys,
        clicks=counts[:, 0],
        human=counts[:, 1],
        visitors=counts[:, 2],
        levels=np.zeros(len(keys), np.int64) if levels is None else levels,
        sample=sample,
        sample_keys=whose,
        marks=marks,
        sorted_marks=np.sort(marks),
        previews=previews,
    )


@dataclass(slots=True)
class Names:
    """The keys of one dimension and their numbers. Any thread may use them."""

    texts: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _ranks: Integers = field(default_factory=lambda: np.empty(0, np.int64))

    def number(self, keys: Sequence[str]) -> Integers:
        known = self.numbers
        try:
            return np.fromiter(map(known.__getitem__, keys), np.int64, len(keys))
        except KeyError:
            pass
        with self.lock:
            for key in keys:
                if key not in known:
                    self.texts.append(key)
                    known[key] = len(self.texts) - 1
        return np.fromiter(map(known.__getitem__, keys), np.int64, len(keys))

    def ranks(self) -> Integers:
        """The place of each in the order of the alphabet."""
        if len(self._ranks) < len(self.texts):
            with self.lock:
                count = len(self.texts)
                ranks = np.empty(count, np.int64)
                ranks[sorted(range(count), key=self.texts.__getitem__)] = np.arange(count)
                self._ranks = ranks
        return self._ranks


Key = tuple[str, str, Piece, str]
"""Tenant, scope, window and dimension."""


class WindowCache:
    """What was read of one warehouse. Any thread may use it."""

    def __init__(self, max_numbers: int = MAX_NUMBERS) -> None:
        self._max_numbers = max_numbers
        self._numbers = 0
        self._columns: OrderedDict[Key, Column] = OrderedDict()
        self._names: dict[str, Names] = {}
        self._lock = threading.Lock()

    def names(self, dimension: str) -> Names:
        return self._names.setdefault(dimension, Names())

    def count_names(self) -> int:
        """How many keys were ever seen, of all dimensions."""
        return sum(len(names.texts) for names in list(self._names.values()))

    def read(
        self,
        warehouse: Warehouse,
        tenant: str,
        scope: str,
        wanted: Sequence[tuple[Piece, Sequence[str]]],
    ) -> dict[tuple[Piece, str], Column]:
        """The columns of these windows and dimensions; what is not known yet is read by one query."""
        found: dict[tuple[Piece, str], Column] = {}
        missing: list[tuple[Piece, str]] = []
        with self._lock:
            for piece, dimensions in wanted:
                for dimension in dimensions:
                    column = self._columns.get((tenant, scope, piece, dimension))
                    if column is None:
                        missing.append((piece, dimension))
                    else:
                        self._columns.move_to_end((tenant, scope, piece, dimension))
                        found[piece, dimension] = column
        if missing:
            rows = _query(warehouse, tenant, scope, missing)
            with self._lock:
                for pair in missing:
                    column = self._decode(rows.get(pair), pair[1])
                    found[pair] = column
                    self._keep((tenant, scope, *pair), column)
        return found

    def _decode(self, row: Row | None, dimension: str) -> Column:
        previews, keys, *numbers, sample = row or (0, (), (), (), (), (), (), ())
        clicks, human, visitors, levels, sampled = (np.asarray(each, np.int64) for each in numbers)
        return column_of(
            self.names(dimension).number(keys),
            np.stack([clicks, human, visitors], axis=1),
            np.asarray(sample, np.uint64),
            levels=levels,
            sampled=sampled,
            previews=int(previews),
        )

    def _keep(self, key: Key, column: Column) -> None:
        self._columns[key] = column
        self._numbers += column.size
        while self._numbers > self._max_numbers:
            self._numbers -= self._columns.popitem(last=False)[1].size


def _query(
    warehouse: Warehouse, tenant: str, scope: str, missing: Sequence[tuple[Piece, str]]
) -> dict[tuple[Piece, str], Row]:
    pieces = sorted({piece for piece, _ in missing})
    subjects, grains, starts, changes = (list(column) for column in zip(*pieces, strict=True))
    rows = warehouse.query(
        _SQL,
        {
            "tenant": tenant,
            "scope": scope,
            "dimensions": sorted({dimension for _, dimension in missing}),
            "subjects": subjects,
            "grains": grains,
            "starts": starts,
            "changes": sorted(set(changes)),
        },
    )
    return {
        (Piece(int(subject), int(grain_s), int(start_s), int(changes)), dimension): tuple(row)
        for subject, grain_s, start_s, changes, dimension, *row in rows
    }
