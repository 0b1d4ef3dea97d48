"""Counts from the rows themselves: exact, at a cost by the row."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeVar

import orjson

from aggregator.contract import MAX_KEYS
from api.reports.cover import Span
from api.reports.query import Dimension, Scope
from api.reports.threads import THREADS
from ingest.contract import Warehouse

# Planning a query costs as much as counting some hundred rows by each dimension.
DIMENSIONS_A_QUERY: Final = 4

IN_SPAN: Final = (
    "ts >= fromUnixTimestamp64Milli({{{name}_from:Int64}}, 'UTC')"
    " AND ts < fromUnixTimestamp64Milli({{{name}_to:Int64}}, 'UTC')"
)


Key = TypeVar("Key")


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
    keys: dict[Dimension, dict[str, Counted]] = field(default_factory=dict)
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
    *,
    human_only: bool,
    level: int | None = None,
) -> Tally:
    """Count the rows of the parts, by one query, or by two at once where there are many dimensions.

    With a level, also list those visitors' hashes that end in so many zero bits.
    """
    if not parts:
        return Tally(keys={dimension: {} for dimension in by})
    condition, parameters = where(scope, parts)
    if human_only:
        condition += " AND verdict = 'human'"
    parameters["bucket_starts"] = list(bucket_starts_ms)
    half = len(by) // 2 if len(by) > DIMENSIONS_A_QUERY else len(by)
    if half == len(by):
        return _count(warehouse, condition, parameters, by, level)
    second = THREADS.submit(_count, warehouse, condition, parameters, by[half:], None)
    first = _count(warehouse, condition, parameters, by[:half], level)
    return replace(first, keys={**first.keys, **second.result().keys})


def count_few_rows(
    warehouse: Warehouse,
    scope: Scope,
    parts: Sequence[Part],
    bucket_starts_ms: Sequence[int],
    by: Sequence[Dimension],
    *,
    human_only: bool,
) -> Tally:
    """The same, of so few rows that reading them costs less than planning to count them."""
    condition, parameters = where(scope, parts)
    bots = " AND verdict = 'human'" if human_only else ""
    rows = warehouse.query(
        "SELECT roundDown(toUnixTimestamp64Milli(ts), {bucket_starts:Array(Int64)}), verdict, visitor,"
        f" {', '.join(by) or '1'} FROM clicks WHERE {condition}{bots}",
        {**parameters, "bucket_starts": list(bucket_starts_ms)},
    )
    buckets, verdicts, visitors, *keys = zip(*rows, strict=True) if rows else ((),) * (3 + len(by))
    clicks = list(zip(verdicts, visitors, strict=True))
    return Tally(
        total=_group([""] * len(clicks), clicks).get("", NO_CLICKS),
        buckets={int(at): counted for at, counted in _group(buckets, clicks).items()},
        keys={dimension: _group(column, clicks) for dimension, column in zip(by, keys, strict=False)},
    )


def _group(keys: Sequence[Key], clicks: Sequence[tuple[str, int]]) -> dict[Key, Counted]:
    found: dict[Key, list[tuple[str, int]]] = defaultdict(list)
    for key, click in zip(keys, clicks, strict=True):
        found[key].append(click)
    return {key: _counted(chosen) for key, chosen in found.items()}


def _counted(clicks: Sequence[tuple[str, int]]) -> Counted:
    human = [visitor for verdict, visitor in clicks if verdict == "human"]
    previews = sum(verdict == "preview" for verdict, _ in clicks)
    return Counted(len(clicks), len(human), len(set(human)), previews)


def _count(
    warehouse: Warehouse,
    condition: str,
    parameters: Mapping[str, object],
    by: Sequence[Dimension],
    level: int | None,
) -> Tally:
    columns = ("bucket", *by)
    names = ", ".join(columns)
    sets = ", ".join(f"({column})" for column in columns)
    sampled = "false" if level is None else f"verdict = 'human' AND bitAnd(hash, {(1 << level) - 1}) = 0"
    rows = warehouse.query(
        f"SELECT GROUPING({names}) AS mask, {names}, count() AS clicks,"
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
    tally = Tally(keys={dimension: {} for dimension in by})
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
            tally.keys[by[index - 1]][row[index]] = counted
    return Tally(total, tally.buckets, tally.keys, tally.hashes)
