"""Clicks counted over time and by dimension: from the rows where they are few, else from the rollups.

| count | is |
| --- | --- |
| `total_clicks` | every stored click in the range |
| `human_clicks`, `preview_clicks`, `automated_clicks` | those of a verdict |
| `bot_clicks` | previews and automated ones |
| `unique_clicks` | distinct visitors among the human clicks, of the range or of the bucket |
| `repeat_clicks` | human clicks less unique ones |
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from aggregator.contract import DAY_S, TOTAL
from api.reports.buckets import bucket_starts
from api.reports.cover import Span
from api.reports.kept_rows import Kept
from api.reports.memory import Memory, memory_of
from api.reports.plan import Reading, make_plan
from api.reports.query import Dimension, StatsQuery, unix_ms
from api.reports.rows import NO_CLICKS, Counted, Part, Tally, count_rows
from api.reports.running import Question
from api.reports.samples import level_of
from api.reports.sums import sums_of
from api.reports.window_cache import Column, Hashes
from api.reports.windows import (
    Breakdown,
    Estimated,
    merge_everything,
    merge_keys,
    merge_total,
    tell_returning,
)
from ingest.contract import Warehouse

PLACES: Final = frozenset({"country", "region", "city"})
_NOWHERE: Final = frozenset({"", "Unknown", "Private"})
NO_CITIES: Final = "no city database: none of these clicks could be located; SMARTLINKS_GEOIP_PATH names one"


def stats(warehouse: Warehouse, query: StatsQuery) -> dict[str, Any]:
    """`{"totals", "series", "breakdowns", "unique_is_estimate", "notes"}`.

    Totals and each element of the series have the counts above. The series has every bucket of the range,
    those without clicks too; `start` is RFC 3339 with the zone's offset and may lie before the range where
    that starts within a bucket. A breakdown is `[{"key", "clicks", "unique"}]`, sorted by clicks; its
    `clicks` are of any verdict, its `unique` are human visitors.
    """
    starts = bucket_starts(query.start, query.end, query.interval, query.timezone)
    starts_ms = [unix_ms(start) for start in starts]
    counted = _count(warehouse, query, starts_ms)
    breakdowns = {
        dimension: _breakdown(found, human_only=query.exclude_bots)
        for dimension, found in counted.breakdowns.items()
    }
    estimates: list[Estimated | Breakdown] = [counted.total, *counted.buckets.values()]
    estimates += counted.breakdowns.values()
    return {
        "totals": _counts(counted.total.counted, human_only=query.exclude_bots),
        "series": [
            {
                "start": start.astimezone(query.timezone).isoformat(),
                **_counts(
                    counted.buckets[at].counted if at in counted.buckets else NO_CLICKS,
                    human_only=query.exclude_bots,
                ),
            }
            for start, at in zip(starts, starts_ms, strict=True)
        ],
        "breakdowns": breakdowns,
        "unique_is_estimate": any(each.is_estimate for each in estimates),
        "notes": _notes(breakdowns),
    }


def stats_before(warehouse: Warehouse, query: StatsQuery) -> dict[str, Any]:
    """Totals and series of the range of the same length that ends where the query's starts."""
    before = replace(query, start=query.start - (query.end - query.start), end=query.start, by=())
    counted = stats(warehouse, before)
    return {
        "start": before.start.astimezone(query.timezone).isoformat(),
        "end": before.end.astimezone(query.timezone).isoformat(),
        "totals": counted["totals"],
        "series": counted["series"],
        "unique_is_estimate": counted["unique_is_estimate"],
    }


@dataclass(frozen=True, slots=True)
class _Report:
    total: Estimated
    buckets: dict[int, Estimated]
    breakdowns: dict[Dimension, Breakdown]


def _count(warehouse: Warehouse, query: StatsQuery, starts_ms: Sequence[int]) -> _Report:
    by = tuple(dict.fromkeys(query.by))
    whole_days = query.interval != "hour" and all(start % (DAY_S * 1000) == 0 for start in starts_ms)
    plan = make_plan(warehouse, query.scope, query.span_ms, starts_ms, one_bucket_a_window=whole_days)
    memory = memory_of(warehouse)
    names = memory.windows.names
    columns = memory.windows.read(
        warehouse,
        query.scope.tenant,
        plan.window_scope,
        [
            *((piece, (TOTAL, *by) if plan.is_added_up(piece) else (TOTAL,)) for piece in plan.totals.pieces),
            *((piece, (TOTAL,)) for piece in plan.series.pieces),
        ],
    )
    totals = [columns[piece, TOTAL] for piece in plan.totals.pieces]
    of_buckets: dict[int, list[Column]] = {}
    for piece in plan.series.pieces:
        at = starts_ms[max(0, bisect_right(starts_ms, piece.start_s * 1000) - 1)]
        of_buckets.setdefault(at, []).append(columns[piece, TOTAL])
    level = min(map(level_of, (totals, *of_buckets.values()))) if totals else None
    counter = _RestCounter(warehouse, query, memory, starts_ms, level)
    tallies = counter.count(plan.totals, plan.kept, by)
    is_same = plan.series.rest == plan.totals.rest
    series = tallies if is_same else counter.count(plan.series, plan.kept, ())
    rests = [(tally.total, _hashes(tally)) for tally in tallies]
    sums = sums_of(warehouse, memory, query.scope.tenant, plan, columns, by)
    returning = tell_returning(totals, sums.get(TOTAL), rests)
    total = merge_everything(sums.get(TOTAL), totals, rests, returning)

    def merge_bucket(at: int) -> Estimated:
        rests = [(tally.buckets.get(at, NO_CLICKS), _hashes(tally, at)) for tally in series]
        return merge_total(of_buckets.get(at, ()), rests)

    def merge(dimension: Dimension) -> Breakdown:
        of_rests = [tally.keys[dimension] for tally in tallies if dimension in tally.keys]
        return merge_keys(names(dimension), sums.get(dimension), of_rests, total, returning)

    clicked = {*of_buckets, *(at for tally in series for at in tally.buckets)}
    return _Report(
        total,
        {at: merge_bucket(at) for at in clicked},
        {dimension: merge(dimension) for dimension in by},
    )


def _hashes(tally: Tally, bucket: int | None = None) -> Hashes:
    """Of the visitors of one bucket or of all."""
    if bucket is not None:
        return np.asarray(tally.hashes.get(bucket, ()), np.uint64)
    return np.unique(np.asarray([hash_ for found in tally.hashes.values() for hash_ in found], np.uint64))


@dataclass(frozen=True, slots=True)
class _RestCounter:
    """Counts the rows beside the windows: those that are kept in memory, and the others by the engine."""

    warehouse: Warehouse
    query: StatsQuery
    memory: Memory
    starts_ms: Sequence[int]
    level: int | None

    def count(self, reading: Reading, kept: Kept | None, by: Sequence[Dimension]) -> list[Tally]:
        parts, span = _without_kept(reading.rest, kept)
        tallies = []
        if parts:
            tallies.append(
                count_rows(
                    self.warehouse,
                    self.query.scope,
                    parts,
                    self.starts_ms,
                    by,
                    self.memory.windows.names,
                    human_only=self.query.exclude_bots,
                    level=self.level,
                )
            )
        if kept is not None and span is not None:
            question = Question(
                span[0], tuple(self.starts_ms), tuple(by), self.query.exclude_bots, self.level
            )
            tallies.append(self.memory.rows.tally(self.warehouse, self.query.scope, kept, span[1], question))
        return tallies


def _without_kept(rest: Sequence[Part], kept: Kept | None) -> tuple[Sequence[Part], Span | None]:
    """What is left to the engine, and the span that is counted from what is kept."""
    if kept is None or not rest:
        return rest, None
    (part,) = rest
    *before, last = part.spans
    if last[0] < kept.begin_ms:
        return rest, None
    return [Part(part.links, before)] if before else [], last


def _counts(counted: Counted, *, human_only: bool) -> dict[str, int]:
    clicks, human, unique, previews = counted
    if human_only:
        clicks, previews = human, 0
    return {
        "total_clicks": clicks,
        "human_clicks": human,
        "unique_clicks": unique,
        "repeat_clicks": human - unique,
        "bot_clicks": clicks - human,
        "preview_clicks": previews,
        "automated_clicks": clicks - human - previews,
    }


def _breakdown(found: Breakdown, *, human_only: bool) -> list[dict[str, object]]:
    clicks = found.human if human_only else found.clicks
    rows = [
        {"key": key, "clicks": count, "unique": unique}
        for key, count, unique in zip(found.keys, clicks.tolist(), found.visitors.tolist(), strict=True)
        if count
    ]
    if human_only:
        rows.sort(key=lambda row: (-row["clicks"], row["key"]))
    return rows


def _notes(breakdowns: dict[Any, list[dict[str, object]]]) -> list[str]:
    keys = [row["key"] for place in PLACES & breakdowns.keys() for row in breakdowns[place]]
    return [NO_CITIES] if keys and all(key in _NOWHERE for key in keys) else []
