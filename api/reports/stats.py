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
from api.reports.plan import Plan, Reading, make_plan
from api.reports.query import Dimension, StatsQuery, unix_ms
from api.reports.rows import NO_CLICKS, Counted, Tally, count_few_rows, count_rows
from api.reports.window_cache import Column, cache_of
from api.reports.windows import Breakdown, Estimated, level_of, merge_keys, merge_total
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
    cache = cache_of(warehouse)
    columns = cache.read(
        warehouse,
        query.scope.tenant,
        plan.window_scope,
        [
            *((piece, (TOTAL, *by)) for piece in plan.totals.pieces),
            *((piece, (TOTAL,)) for piece in plan.series.pieces),
        ],
    )
    totals = [columns[piece, TOTAL] for piece in plan.totals.pieces]
    of_buckets: dict[int, list[Column]] = {}
    for piece in plan.series.pieces:
        at = starts_ms[max(0, bisect_right(starts_ms, piece.start_s * 1000) - 1)]
        of_buckets.setdefault(at, []).append(columns[piece, TOTAL])
    level = min(map(level_of, (totals, *of_buckets.values())))
    tally, series = _count_rest(warehouse, query, plan, starts_ms, level if totals else None)
    of_rest = np.asarray([hash_ for hashes in tally.hashes.values() for hash_ in hashes], np.uint64)
    total = merge_total(cache.names(TOTAL), totals, tally.total, of_rest)
    return _Report(
        total,
        {
            at: merge_total(
                cache.names(TOTAL),
                of_buckets.get(at, ()),
                series.buckets.get(at, NO_CLICKS),
                np.asarray(series.hashes.get(at, ()), np.uint64),
            )
            for at in {*of_buckets, *series.buckets}
        },
        {
            dimension: merge_keys(
                cache.names(dimension),
                [columns[piece, dimension] for piece in plan.totals.pieces],
                tally.keys[dimension],
                total.returning,
            )
            for dimension in by
        },
    )


def _count_rest(
    warehouse: Warehouse, query: StatsQuery, plan: Plan, starts_ms: Sequence[int], level: int | None
) -> tuple[Tally, Tally]:
    """The rows beside the windows: for totals and breakdowns, and for the series, often the same ones."""
    by = tuple(dict.fromkeys(query.by))
    if plan.is_of_few_rows:
        few = count_few_rows(
            warehouse, query.scope, plan.totals.rest, starts_ms, by, human_only=query.exclude_bots
        )
        return few, few

    def count(reading: Reading, by: Sequence[Dimension]) -> Tally:
        return count_rows(
            warehouse, query.scope, reading.rest, starts_ms, by, human_only=query.exclude_bots, level=level
        )

    tally = count(plan.totals, by)
    return tally, tally if plan.series.rest == plan.totals.rest else count(plan.series, ())


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
