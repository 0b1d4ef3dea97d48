"""Counts from the rows themselves: exact, at a cost by the row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
import orjson

from aggregator.contract import MAX_KEYS
from api.reports.cover import Span
from api.reports.query import Dimension, Scope
from api.reports.threads import THREADS
from api.reports.window_cache import Column, Names, column_of
from ingest.contract import Warehouse

# Planning a query costs as much as counting some hundred rows by each dimension.
DIMENSIONS_A_QUERY: Final = 4

IN_SPAN: Final = (
    "ts >= fromUnixTimestamp64Milli({{{name}_from:Int64}}, 'UTC')"
    " AND ts < fromUnixTimestamp64Milli({{{name}_to:Int64}}, 'UTC')"
)


class Counted(NamedTuple):
    """Clicks, human ones, their visitors, and previews."""

    clicks: int = 0
    human: int = 0
    visitors: int = 0
    previews: int = 0


NO_CLICKS: Final = Counted()


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of everything, by bucket (its start in Unix ms), and by dimension and key.

    `hashes` has those of each bucket's visitors that end in as many zero bits as were asked for.
    """

    total: Counted = NO_CLICKS
    buckets: dict[int, Counted] = field(default_factory=dict)
    keys: dict[Dimension, Column] = field(default_factory=dict)
    hashes: dict[int, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows to count: of these links (None: of any in the scope) in these spans."""

    links: tuple[int, ...] | None
    spans: Sequence[Span]


def where(scope: Scope, parts: Sequence[Part]) -> tuple[str, dict[str, object]]:
    """The condition on `clicks`, and its parameters. Links are named: the table is ordered by them."""
    parameters: dict[str, object] = {"tenant": scope.tenant}
    conditions = ["tenant = {tenant:String}"]
    if scope.domain is not None:
        conditions.append("domain = {domain:String}")
        parameters["domain"] = scope.domain
    alternatives = []
    for number, part in enumerate(parts):
        spans = []
        for index, (begin, end) in enumerate(part.spans):
            name = f"p{number}_{index}"
            spans.append(IN_SPAN.format(name=name))
            parameters |= {f"{name}_from": begin, f"{name}_to": end}
        links = ""
        if part.links is not None:
            links = f"link IN {{p{number}_links:Array(UInt64)}} AND "
            parameters[f"p{number}_links"] = list(part.links)
        alternatives.append(f"({links}({' OR '.join(f'({span})' for span in spans)}))")
    conditions.append(f"({' OR '.join(alternatives)})" if alternatives else "false")
    return " AND ".join(conditions), parameters


def count_rows(
    warehouse: Warehouse,
    scope: Scope,
    parts: Sequence[Part],
    bucket_starts_ms: Sequence[int],
    by: Sequence[Dimension],
    names: Callable[[Dimension], Names],
    *,
    human_only: bool,
    level: int | None = None,
) -> Tally:
    """Count the rows of the parts, by one query, or by two at once where there are many dimensions.

    `names` has the keys' numbers. With a level, also list those visitors' hashes that end in so many zero
    bits.
    """
    if not parts:
        return Tally()
    condition, parameters = where(scope, parts)
    if human_only:
        condition += " AND verdict = 'human'"
    parameters["bucket_starts"] = list(bucket_starts_ms)
    half = len(by) // 2 if len(by) > DIMENSIONS_A_QUERY else len(by)
    if half == len(by):
        return _count(warehouse, condition, parameters, by, names, level)
    second = THREADS.submit(_count, warehouse, condition, parameters, by[half:], names, None)
    first = _count(warehouse, condition, parameters, by[:half], names, level)
    return replace(first, keys={**first.keys, **second.result().keys})


def _count(
    warehouse: Warehouse,
    condition: str,
    parameters: Mapping[str, object],
    by: Sequence[Dimension],
    names: Callable[[Dimension], Names],
    level: int | None,
) -> Tally:
    columns = ("bucket", *by)
    listed = ", ".join(columns)
    sets = ", ".join(f"({column})" for column in columns)
    sampled = "false" if level is None else f"verdict = 'human' AND bitAnd(hash, {(1 << level) - 1}) = 0"
    rows = warehouse.query(
        f"SELECT GROUPING({listed}) AS mask, {listed}, count() AS clicks,"
        " countIf(verdict = 'human'), uniqExactIf(visitor, verdict = 'human'), countIf(verdict = 'preview'),"
        # As a text: of thousands of rows some few have any, and an array a row takes long to read.
        f" toString(groupUniqArrayIf(hash, {sampled}))"
        f" FROM (SELECT visitor, cityHash64(visitor) AS hash, {', '.join(dict.fromkeys((*by, 'verdict')))},"
        # roundDown finds the bucket by binary search: no time zone rule is asked twice, here and there.
        " roundDown(toUnixTimestamp64Milli(ts), {bucket_starts:Array(Int64)}) AS bucket"
        f" FROM clicks WHERE {condition})"
        f" GROUP BY GROUPING SETS ((), {sets})"
        f" ORDER BY clicks DESC LIMIT {MAX_KEYS} BY mask",
        parameters,
    )
    # The rows of one grouping set share the bit mask of the columns that it does not group by.
    everything = (1 << len(columns)) - 1
    tally = Tally()
    counts: dict[Dimension, dict[str, Counted]] = {dimension: {} for dimension in by}
    total = Counted()
    for mask, *row, hashes in rows:
        counted = Counted(*map(int, row[len(columns) :]))
        if mask == everything:
            total = counted
            continue
        index = len(columns) - (everything ^ mask).bit_length()
        if index == 0:
            tally.buckets[int(row[0])] = counted
            tally.hashes[int(row[0])] = orjson.loads(hashes)
        else:
            counts[by[index - 1]][row[index]] = counted
    for dimension, found in counts.items():
        numbers = names(dimension).number(list(found))
        array = np.asarray([counted[:3] for counted in found.values()], np.int64).reshape(-1, 3)
        tally.keys[dimension] = column_of(numbers, array)
    return replace(tally, total=total)
