"""Rows that reports read lately, kept in memory; a report reads those that were stored since.

Within a source clicks are stored in the order of their numbers, so the highest one of each tells what is new.
That nothing is missed is told by the count of clicks that were ever stored: with fewer rows than that, or
with a mark set since, all of them are read again.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from aggregator.contract import DIMENSIONS
from api.reports.click_arrays import ClickArrays
from api.reports.query import Scope
from api.reports.rows import Part, Tally, where
from api.reports.running import Question, RunningCounts
from api.reports.standing import Changes
from api.reports.window_cache import WindowCache
from ingest.contract import Warehouse

# About 100 bytes each, and as much again where they are counted.
MAX_ROWS: Final = 500_000

_SQL: Final = f"""
SELECT source, seq, toUnixTimestamp64Milli(ts), cityHash64(visitor), verdict, {", ".join(DIMENSIONS)}
FROM clicks
WHERE {{condition}}
"""
# Of newer rows there are few, in many parts: more threads take longer, and more CPU. Where all rows are read,
# they take 15 ms in place of 21.
_ONE_THREAD: Final = " SETTINGS max_threads = 1"
_NEWER: Final = (
    " AND NOT (has({sources:Array(UInt64)}, source)"
    " AND seq <= {numbers:Array(UInt64)}[indexOf({sources:Array(UInt64)}, source)])"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Which rows: those of one subject (see `aggregator.contract.Window`) from one time to another (Unix ms).

    Both are the edges of days or quarters, whose changes are `changes`.
    """

    scope: str
    subject: int
    begin_ms: int
    end_ms: int
    changes: Changes


@dataclass(frozen=True, slots=True)
class _Rows:
    """`absent` is how many of those once stored were not there when all were read.

    `running` are counts of the first of these clicks, which stay the first until all are read again.
    """

    clicks: ClickArrays
    changes: Changes
    absent: int
    last: Mapping[int, int] = field(default_factory=dict)
    running: RunningCounts | None = None


class KeptRows:
    """Of one warehouse, the last ones asked for. Any thread may use it."""

    def __init__(self, cache: WindowCache, max_rows: int = MAX_ROWS) -> None:
        self._cache = cache
        self._max_rows = max_rows
        self._rows: OrderedDict[tuple[str, str, int, int, int], _Rows] = OrderedDict()
        self._lock = threading.Lock()

    def tally(self, warehouse: Warehouse, scope: Scope, kept: Kept, end_ms: int, question: Question) -> Tally:
        """Counts of the rows up to a time, of all stored before `kept.changes` were read. Blocks."""
        key = (scope.tenant, kept.scope, kept.subject, kept.begin_ms, kept.end_ms)
        known = self._rows.get(key)
        if known is not None and known.changes != kept.changes:
            known = self._read_newer(warehouse, scope, kept, known)
        if known is None:
            clicks, last = self._query(warehouse, scope, kept, {})
            known = _Rows(clicks, kept.changes, max(0, kept.changes.clicks - len(clicks)), last)
        running = known.running
        tally = running.tally(known.clicks, end_ms) if running and running.question == question else None
        if tally is None:
            running = RunningCounts.of(known.clicks, end_ms, question)
            tally = running.tally(known.clicks, end_ms)
        self._keep(key, replace(known, running=running))
        return tally or Tally()

    def _read_newer(self, warehouse: Warehouse, scope: Scope, kept: Kept, known: _Rows) -> _Rows | None:
        if known.changes.marks != kept.changes.marks:
            return None
        more, last = self._query(warehouse, scope, kept, known.last)
        clicks = known.clicks.joined(more) if len(more) else known.clicks
        if len(clicks) + known.absent < kept.changes.clicks:
            return None
        return _Rows(clicks, kept.changes, known.absent, {**known.last, **last}, known.running)

    def _query(
        self, warehouse: Warehouse, scope: Scope, kept: Kept, last: Mapping[int, int]
    ) -> tuple[ClickArrays, Mapping[int, int]]:
        """The rows behind the last number of each source, and the new last numbers."""
        condition, parameters = where(scope, [Part(scope.links, [(kept.begin_ms, kept.end_ms)])])
        if last:
            condition += _NEWER + _ONE_THREAD
            parameters |= {"sources": list(last), "numbers": list(last.values())}
        rows = warehouse.query(_SQL.format(condition=condition), parameters)
        columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * (5 + len(DIMENSIONS))
        sources, numbers, at_ms, hashes, verdicts, *keys = columns
        highest: dict[int, int] = {}
        for source, number in zip(sources, numbers, strict=True):
            highest[source] = max(highest.get(source, 0), number)
        named = zip(DIMENSIONS, keys, strict=True)
        texts = np.asarray(verdicts, object)
        clicks = ClickArrays(
            np.asarray(at_ms, np.int64),
            np.asarray(hashes, np.uint64),
            texts == "human",
            texts == "preview",
            np.stack([self._cache.names(name).number(column) for name, column in named]).astype(np.int32),
        )
        return clicks, highest

    def _keep(self, key: tuple[str, str, int, int, int], rows: _Rows) -> None:
        with self._lock:
            self._rows[key] = rows
            self._rows.move_to_end(key)
            held = sum(len(each.clicks) for each in self._rows.values())
            while held > self._max_rows:
                held -= len(self._rows.popitem(last=False)[1].clicks)
