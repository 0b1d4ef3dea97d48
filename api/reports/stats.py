"""Clicks counted over time and by dimension: from the rows where they are few, else from the rollups.

| count | is |
| --- | --- |
| `total_clicks` | every stored click in the range |
| `human_clicks`, `preview_clicks`, `automated_clicks` | those of a verdict |
| `bot_clicks` | previews and automated ones |
| `unique_clicks` | distinct visitors among the human clicks, of the range or of the bucket |
| `repeat_clicks` | human clicks less unique ones |
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from aggregator.contract import DAY_S
from api.reports.buckets import bucket_starts
from api.reports.plan import make_plan
from api.reports.query import StatsQuery, unix_ms
from api.reports.rows import Counted, Tally, count_rows
from api.reports.windows import Estimated, Rolled, count_buckets, count_windows
from ingest.contract import Warehouse

PLACES: Final = frozenset({"country", "region", "city"})
_NOWHERE: Final = frozenset({"", "Unknown", "Private"})
NO_CITIES: Final = "no city database: none of these clicks could be located; SMARTLINKS_GEOIP_PATH names one"


class _Merge:
    """Adds the two sources' counts up, and remembers whether a unique among them is an estimate."""

    def __init__(self, *, human_only: bool) -> None:
        self._human_only = human_only
        self.has_estimates = False

    def __call__(self, rows: Counted, windows: Estimated) -> Counted:
        human = rows.human + windows.human
        clicks = human if self._human_only else rows.clicks + windows.clicks
        previews = 0 if self._human_only else rows.previews + windows.previews
        visitors = rows.visitors + windows.visitors
        sources = windows.windows + bool(rows.human)
        if sources > 1 and windows.windows:
            visitors = min(human, round(visitors * windows.share))
            self.has_estimates |= windows.level > 0 and human > 0
        return Counted(clicks, human, visitors, previews)


def stats(warehouse: Warehouse, query: StatsQuery) -> dict[str, Any]:
    """`{"totals", "series", "breakdowns", "unique_is_estimate", "notes"}`.

    Totals and each element of the series have the counts above. The series has every bucket of the range,
    those without clicks too; `start` is RFC 3339 with the zone's offset and may lie before the range where
    that starts within a bucket. A breakdown is `[{"key", "clicks", "unique"}]`, sorted by clicks; its
    `clicks` are of any verdict, its `unique` are human visitors.
    """
    starts = bucket_starts(query.start, query.end, query.interval, query.timezone)
    starts_ms = [unix_ms(start) for start in starts]
    by = tuple(dict.fromkeys(query.by))
    tally, rolled = _count(warehouse, query, starts_ms)
    merge = _Merge(human_only=query.exclude_bots)
    breakdowns = {}
    for dimension in by:
        rows, windows = tally.keys.get(dimension, {}), rolled.keys.get(dimension, {})
        merged = {
            key: merge(rows.get(key, Counted()), windows.get(key, Estimated())) for key in {**windows, **rows}
        }
        breakdowns[dimension] = _breakdown(merged)
    totals = _counts(merge(tally.total, rolled.total))
    return {
        "totals": totals,
        "series": [
            {
                "start": start.astimezone(query.timezone).isoformat(),
                **_counts(merge(tally.buckets.get(at, Counted()), rolled.buckets.get(at, Estimated()))),
            }
            for start, at in zip(starts, starts_ms, strict=True)
        ],
        "breakdowns": breakdowns,
        "unique_is_estimate": merge.has_estimates,
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


def _count(warehouse: Warehouse, query: StatsQuery, starts_ms: Sequence[int]) -> tuple[Tally, Rolled]:
    by = tuple(dict.fromkeys(query.by))
    whole_days = query.interval != "hour" and all(start % (DAY_S * 1000) == 0 for start in starts_ms)
    plan = make_plan(warehouse, query.scope, query.span_ms, starts_ms, one_bucket_a_window=whole_days)
    same = plan.totals is plan.series
    tally = count_rows(warehouse, query.scope, plan.totals.rest, starts_ms, by, human_only=query.exclude_bots)
    rolled = count_windows(
        warehouse, query.scope, plan.window_scope, plan.totals, by, starts_ms, with_buckets=same
    )
    if same:
        return tally, rolled
    series = count_rows(
        warehouse, query.scope, plan.series.rest, starts_ms, (), human_only=query.exclude_bots
    )
    buckets = count_buckets(warehouse, query.scope, plan.window_scope, plan.series, starts_ms)
    return (
        Tally(tally.total, series.buckets, tally.keys),
        Rolled(rolled.total, buckets, rolled.keys),
    )


def _counts(counted: Counted) -> dict[str, int]:
    clicks, human, unique, previews = counted
    return {
        "total_clicks": clicks,
        "human_clicks": human,
        "unique_clicks": unique,
        "repeat_clicks": human - unique,
        "bot_clicks": clicks - human,
        "preview_clicks": previews,
        "automated_clicks": clicks - human - previews,
    }


def _breakdown(keys: dict[str, Counted]) -> list[dict[str, object]]:
    ordered = sorted(keys.items(), key=lambda item: (-item[1].clicks, item[0]))
    return [
        {"key": key, "clicks": counted.clicks, "unique": counted.visitors}
        for key, counted in ordered
        if counted.clicks
    ]


def _notes(breakdowns: dict[Any, list[dict[str, object]]]) -> list[str]:
    keys = [row["key"] for place in PLACES & breakdowns.keys() for row in breakdowns[place]]
    return [NO_CITIES] if keys and all(key in _NOWHERE for key in keys) else []
