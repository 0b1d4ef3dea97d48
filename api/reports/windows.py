"""Counts from the rollups. Clicks are exact. Uniques are told from samples of the visitors of each window.

Visitors of a window are counted exactly, but somebody who came in two windows is in both counts. How many did
is told by the sample: of the hashes that the samples of all windows would hold, `distinct` are different ones
and `cells` is how often they occur, so uniques are the sum of the windows' visitors by distinct / cells.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, NamedTuple, cast

from aggregator.contract import MAX_KEYS, TOTAL
from api.reports.cover import Piece
from api.reports.plan import Reading
from api.reports.query import Dimension, Scope
from api.reports.rows import where
from ingest.contract import Row, Warehouse

# A key of few sampled visitors is told from the whole dimension's: that weighs as much as so many of its own.
PRIOR_CELLS: Final = 50


class Estimated(NamedTuple):
    """Counts of a key over some windows. Its samples are of everyone (`level` 0), else of 1 in 2 ** level.

    `share` is how many of the windows' visitors are left when each counts once.
    """

    clicks: int = 0
    human: int = 0
    visitors: int = 0
    previews: int = 0
    windows: int = 0
    level: int = 0
    share: float = 1.0


NO_WINDOWS: Final = Estimated()


@dataclass(frozen=True, slots=True)
class Rolled:
    """Counts of everything, by bucket (its start in Unix ms), and by dimension and key."""

    total: Estimated = NO_WINDOWS
    buckets: dict[int, Estimated] = field(default_factory=dict)
    keys: dict[Dimension, dict[str, Estimated]] = field(default_factory=dict)


# All that is put into these texts is our own. A window that was computed twice at one version is taken once.
_PICKED: Final = """
    WHERE tenant = {tenant:String} AND scope = {scope:String} AND grain IN {grains:Array(UInt32)}
        AND dimension IN {dimensions:Array(String)} AND subject IN {subjects:Array(UInt64)}
        AND start >= toDateTime({since:Int64}, 'UTC') AND start <= toDateTime({until:Int64}, 'UTC')
        AND (subject, grain, toUnixTimestamp(start), changes) IN (SELECT piece.1, piece.2, piece.3, piece.4
            FROM (SELECT arrayJoin(arrayZip({piece_subjects:Array(UInt64)}, {piece_grains:Array(UInt32)},
                {piece_starts:Array(UInt32)}, {piece_changes:Array(UInt64)})) AS piece))
    LIMIT 1 BY dimension, subject, grain, start
"""
# A visitor of the total is sampled once for the whole range (bucket 0; ranges begin in 1971), and once more
# for the bucket where that is more than one window.
_WHOLE: Final = 0
_BUCKET: Final = f"if(dimension = '{TOTAL}', roundDown(at, {{bucket_starts:Array(Int64)}}), 0)"
_BUCKETS: Final = (
    "arrayConcat({whole:Array(Int64)}, arrayFilter(one -> has({shared:Array(Int64)}, one), ["
    + _BUCKET
    + "]))"
)
# The rows beside the windows are one more window, whose sample is of everyone.
_REST: Final = """
            UNION ALL
            SELECT DISTINCT dimension, arrayJoin({buckets}), key, toUInt8(0), visitor
            FROM
            (
                SELECT tupleElement(pair, 1) AS dimension, toUnixTimestamp64Milli(ts) AS at,
                    tupleElement(pair, 2) AS key, cityHash64(visitor) AS visitor
                FROM clicks ARRAY JOIN {pairs} AS pair
                WHERE {condition} AND verdict = 'human'
            )
"""
_COUNTS: Final = f"""
SELECT dimension, {_BUCKET} AS bucket, key, sum(clicks) AS all_clicks, sum(human), sum(visitors),
    sum(previews), count(), max(level)
FROM
(
    SELECT dimension, toInt64(toUnixTimestamp(start)) * 1000 AS at, keys, key_clicks, key_human,
        key_visitors, key_levels, previews
    FROM click_windows {_PICKED}
)
ARRAY JOIN keys AS key, key_clicks AS clicks, key_human AS human, key_visitors AS visitors,
    key_levels AS level
GROUP BY dimension, bucket, key
ORDER BY all_clicks DESC LIMIT {MAX_KEYS} BY dimension
"""
_CELLS: Final = f"""
SELECT dimension, bucket, key, arraySum(end -> if(end.1 >= top, end.2, 0), ends),
    arraySum(end -> if(end.1 >= top, end.3, 0), ends)
FROM
(
    SELECT dimension, bucket, key, max(level) AS top, groupArray((ends, distinct, hits)) AS ends
    FROM
    (
        SELECT dimension, bucket, key, bitCount(bitXor(visitor, visitor - 1)) - 1 AS ends,
            max(cell_level) AS level, uniqExact(visitor) AS distinct, count() AS hits
        FROM
        (
            SELECT dimension, bucket, key, cell_level, visitor
            FROM
            (
                SELECT dimension, toInt64(toUnixTimestamp(start)) * 1000 AS at,
                    arrayJoin({_BUCKETS}) AS bucket, keys, levels, visitors
                FROM (SELECT dimension, start, keys, levels, visitors FROM click_samples {_PICKED})
            )
            ARRAY JOIN keys AS key, levels AS cell_level, visitors AS visitor
            {{rest}}
        )
        GROUP BY dimension, bucket, key, ends
    )
    GROUP BY dimension, bucket, key
)
"""

_Cell = tuple[str, int, str]
"""Dimension, bucket and key."""


def count_windows(
    warehouse: Warehouse,
    scope: Scope,
    window_scope: str,
    reading: Reading,
    by: Sequence[Dimension],
    bucket_starts_ms: Sequence[int],
    *,
    with_buckets: bool,
) -> Rolled:
    """Totals and breakdowns over the windows; a visitor of the rest too counts once.

    `with_buckets`, also the series; then each window lies in one bucket.
    """
    shared = _shared(reading, bucket_starts_ms) if with_buckets else set()
    windows = _Windows(warehouse, scope, window_scope, (TOTAL, *by))
    counts = windows.count(reading.pieces, bucket_starts_ms)
    cells = windows.sample(reading, reading.pieces, bucket_starts_ms, whole=True, shared=shared)
    buckets = {at: row for (dimension, at, _), row in counts.items() if dimension == TOTAL}
    rolled = Rolled(
        total=_estimate(_add(buckets.values()), cells.get((TOTAL, _WHOLE, ""))),
        buckets={at: _estimate(row, cells.get((TOTAL, at, ""))) for at, row in buckets.items()},
        keys={dimension: {} for dimension in by},
    )
    priors = {dimension: _pool(cells, dimension) for dimension in by}
    for (dimension, at, key), row in counts.items():
        if dimension != TOTAL:
            name = cast("Dimension", dimension)
            rolled.keys[name][key] = _estimate(row, cells.get((dimension, at, key)), priors[name])
    return rolled


def count_buckets(
    warehouse: Warehouse, scope: Scope, window_scope: str, reading: Reading, bucket_starts_ms: Sequence[int]
) -> dict[int, Estimated]:
    """The series over the windows, each of which lies in one bucket."""
    shared = _shared(reading, bucket_starts_ms)
    windows = _Windows(warehouse, scope, window_scope, (TOTAL,))
    pieces = [
        piece for piece in reading.pieces if _bucket_of(piece.start_s * 1000, bucket_starts_ms) in shared
    ]
    cells = windows.sample(reading, pieces, bucket_starts_ms, whole=False, shared=shared)
    counts = windows.count(reading.pieces, bucket_starts_ms)
    return {at: _estimate(row, cells.get((TOTAL, at, ""))) for (_, at, _), row in counts.items()}


@dataclass(frozen=True, slots=True)
class _Windows:
    """Whose windows to read, and of which dimensions."""

    warehouse: Warehouse
    scope: Scope
    window_scope: str
    dimensions: Sequence[str]

    def count(self, pieces: Sequence[Piece], bucket_starts_ms: Sequence[int]) -> dict[_Cell, Estimated]:
        """The windows' sums: `visitors` counts somebody in each window anew."""
        rows = self._query(_COUNTS, pieces, {"bucket_starts": list(bucket_starts_ms)}) if pieces else ()
        return {
            (dimension, int(at), key): Estimated(*map(int, counts)) for dimension, at, key, *counts in rows
        }

    def sample(
        self,
        reading: Reading,
        pieces: Sequence[Piece],
        bucket_starts_ms: Sequence[int],
        *,
        whole: bool,
        shared: AbstractSet[int],
    ) -> dict[_Cell, tuple[int, int]]:
        """Of the sampled visitors of these windows and of the rest: how many, and in how many windows."""
        if not pieces:
            return {}
        rest, of_rest = self._rest(reading)
        parameters = {
            "bucket_starts": list(bucket_starts_ms),
            "whole": [_WHOLE] if whole else [],
            "shared": sorted(shared),
        }
        rows = self._query(_CELLS.replace("{rest}", rest), pieces, {**parameters, **of_rest})
        return {(dimension, int(at), key): (int(one), int(all_)) for dimension, at, key, one, all_ in rows}

    def _query(self, sql: str, pieces: Sequence[Piece], parameters: Mapping[str, object]) -> list[Row]:
        subjects, grains, starts, changes = (list(column) for column in zip(*pieces, strict=True))
        picked = {
            "tenant": self.scope.tenant,
            "scope": self.window_scope,
            "dimensions": list(self.dimensions),
            "subjects": sorted(set(subjects)),
            "grains": sorted(set(grains)),
            "since": min(starts),
            "until": max(starts),
            "piece_subjects": subjects,
            "piece_grains": grains,
            "piece_starts": starts,
            "piece_changes": changes,
        }
        return self.warehouse.query(sql, {**picked, **parameters})

    def _rest(self, reading: Reading) -> tuple[str, dict[str, object]]:
        if not reading.rest:
            return "", {}
        condition, parameters = where(self.scope, reading.rest)
        keys = {TOTAL: "''"}
        pairs = ", ".join(f"('{each}', {keys.get(each, f'toString({each})')})" for each in self.dimensions)
        return _REST.format(buckets=_BUCKETS, pairs=f"[{pairs}]", condition=condition), parameters


def _add(counts: Iterable[Estimated]) -> Estimated:
    """Sums, and the highest level."""
    rows = list(counts)
    return Estimated(
        clicks=sum(row.clicks for row in rows),
        human=sum(row.human for row in rows),
        visitors=sum(row.visitors for row in rows),
        previews=sum(row.previews for row in rows),
        windows=sum(row.windows for row in rows),
        level=max((row.level for row in rows), default=0),
    )


def _estimate(
    counts: Estimated, cell: tuple[int, int] | None, prior: tuple[int, int] | None = None
) -> Estimated:
    """The counts with their share, by the sampled visitors: how many, and in how many windows."""
    distinct, hits = cell or (0, 0)
    if counts.level == 0 or prior is None:
        return counts._replace(share=distinct / hits if hits else 1.0)
    pooled = prior[0] / prior[1] if prior[1] else 1.0
    return counts._replace(share=(distinct + PRIOR_CELLS * pooled) / (hits + PRIOR_CELLS))


def _pool(cells: Mapping[_Cell, tuple[int, int]], dimension: str) -> tuple[int, int]:
    chosen = [cell for (name, _, _), cell in cells.items() if name == dimension]
    return sum(distinct for distinct, _ in chosen), sum(hits for _, hits in chosen)


def _shared(reading: Reading, bucket_starts_ms: Sequence[int]) -> set[int]:
    """The buckets that are made of more than one window, or of one and rows of the rest."""
    counts = Counter(_bucket_of(piece.start_s * 1000, bucket_starts_ms) for piece in reading.pieces)
    for part in reading.rest:
        for begin, end in part.spans:
            first, last = (bisect_right(bucket_starts_ms, at) for at in (begin, end - 1))
            counts.update(bucket_starts_ms[max(0, first - 1) : last])
    return {bucket for bucket, count in counts.items() if count > 1}


def _bucket_of(at_ms: int, bucket_starts_ms: Sequence[int]) -> int:
    return bucket_starts_ms[max(0, bisect_right(bucket_starts_ms, at_ms) - 1)]
