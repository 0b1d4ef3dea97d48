"""Counts from the rollups. Clicks are exact. Uniques are told from samples of the visitors of each window.

Visitors of a window are counted exactly, but somebody who came in two windows is in both counts. How many did
is told by the sample: of the hashes that the samples of all windows would hold, `distinct` are different ones
and `cells` is how often they occur, so uniques are the sum of the windows' visitors by distinct / cells.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aggregator.contract import MAX_KEYS, TOTAL
from api.reports.cover import Piece
from api.reports.plan import Reading
from api.reports.query import Dimension, Scope
from api.reports.rows import where
from ingest.contract import Row, Warehouse


class Estimated(NamedTuple):
    """Counts of a key over some windows. Its samples are of everyone (`level` 0), else of 1 in 2 ** level."""

    clicks: int = 0
    human: int = 0
    visitors: int = 0
    previews: int = 0
    windows: int = 0
    level: int = 0
    distinct: int = 0
    cells: int = 0

    @property
    def share_of_first_visits(self) -> float:
        return self.distinct / self.cells if self.cells else 1.0


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
# The rows beside the windows are one more window, whose sample is of everyone.
_REST: Final = """
            UNION ALL
            SELECT DISTINCT tupleElement(pair, 1), {at}, tupleElement(pair, 2), toUInt8(0),
                cityHash64(visitor)
            FROM clicks ARRAY JOIN {pairs} AS pair
            WHERE {condition} AND verdict = 'human'
"""
_NO_BUCKET: Final = "toInt64(0)"
_BUCKET: Final = "roundDown(at, {bucket_starts:Array(Int64)})"
_COUNTS: Final = f"""
SELECT dimension, {{bucket}} AS bucket, key, sum(clicks) AS all_clicks, sum(human), sum(visitors),
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
        SELECT dimension, {{bucket}} AS bucket, key, bitCount(bitXor(visitor, visitor - 1)) - 1 AS ends,
            max(cell_level) AS level, uniqExact(visitor) AS distinct, count() AS hits
        FROM
        (
            SELECT dimension, toInt64(toUnixTimestamp(start)) * 1000 AS at, key, cell_level, visitor
            FROM (SELECT dimension, start, keys, levels, visitors FROM click_samples {_PICKED})
            ARRAY JOIN keys AS key, levels AS cell_level, visitors AS visitor
            {{rest}}
        )
        GROUP BY dimension, bucket, key, ends
    )
    GROUP BY dimension, bucket, key
)
"""


def count_windows(
    warehouse: Warehouse, scope: Scope, window_scope: str, reading: Reading, by: Sequence[Dimension]
) -> Rolled:
    """Totals and breakdowns over the windows; a visitor of the rest too counts once."""
    windows = _Windows(warehouse, scope, window_scope, (TOTAL, *by))
    found = _count(windows, reading, reading.pieces, _NO_BUCKET, {})
    rolled = Rolled(found.pop((TOTAL, 0, ""), Estimated()), {}, {dimension: {} for dimension in by})
    for (dimension, _, key), counted in found.items():
        rolled.keys[dimension][key] = counted  # type: ignore[index]  # the dimensions asked for come back
    return rolled


def count_buckets(
    warehouse: Warehouse, scope: Scope, window_scope: str, reading: Reading, bucket_starts_ms: Sequence[int]
) -> dict[int, Estimated]:
    """The series over the windows, each of which lies in one bucket."""
    starts = {"bucket_starts": list(bucket_starts_ms)}
    windows = _Windows(warehouse, scope, window_scope, (TOTAL,))
    found = _count(windows, reading, _shared(reading, bucket_starts_ms), _BUCKET, starts)
    return {bucket: counted for (_, bucket, _), counted in found.items()}


@dataclass(frozen=True, slots=True)
class _Windows:
    """Whose windows to read, and of which dimensions."""

    warehouse: Warehouse
    scope: Scope
    window_scope: str
    dimensions: Sequence[str]

    def query(self, sql: str, pieces: Sequence[Piece], parameters: Mapping[str, object]) -> list[Row]:
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


def _count(
    windows: _Windows,
    reading: Reading,
    sampled: Sequence[Piece],
    bucket: str,
    parameters: Mapping[str, object],
) -> dict[tuple[str, int, str], Estimated]:
    """By dimension, bucket and key."""
    if not reading.pieces:
        return {}
    rest, of_rest = _rest(windows, reading, bucket)
    cells_sql = _CELLS.replace("{bucket}", bucket).replace("{rest}", rest)
    cells = {
        tuple(row[:3]): row[3:]
        for row in (windows.query(cells_sql, sampled, {**parameters, **of_rest}) if sampled else ())
    }
    counts_sql = _COUNTS.replace("{bucket}", bucket)
    return {
        (dimension, int(at), key): Estimated(*map(int, (*counts, *cells.get((dimension, at, key), ()))))
        for dimension, at, key, *counts in windows.query(counts_sql, reading.pieces, parameters)
    }


def _rest(windows: _Windows, reading: Reading, bucket: str) -> tuple[str, dict[str, object]]:
    if not reading.rest:
        return "", {}
    condition, parameters = where(windows.scope, reading.rest)
    keys = {TOTAL: "''"}
    pairs = ", ".join(f"('{each}', {keys.get(each, f'toString({each})')})" for each in windows.dimensions)
    # Without buckets the moment is nobody's concern, and a visitor is to be there once.
    at = "toUnixTimestamp64Milli(ts)" if bucket == _BUCKET else "toInt64(0)"
    if bucket == _BUCKET:
        at = bucket.replace("at,", f"{at},")
    return _REST.format(at=at, pairs=f"[{pairs}]", condition=condition), parameters


def _shared(reading: Reading, bucket_starts_ms: Sequence[int]) -> list[Piece]:
    """The windows that have a bucket in common with another, or with rows of the rest."""

    def bucket_of(at_ms: int) -> int:
        return bisect_right(bucket_starts_ms, at_ms)

    counts = Counter(bucket_of(piece.start_s * 1000) for piece in reading.pieces)
    for part in reading.rest:
        for begin, end in part.spans:
            counts.update(range(bucket_of(begin), bucket_of(end - 1) + 1))
    return [piece for piece in reading.pieces if counts[bucket_of(piece.start_s * 1000)] > 1]
