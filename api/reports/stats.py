"""Clicks counted over time and by dimension, by one query on the raw rows.

| count | is |
| --- | --- |
| `total_clicks` | every stored click in the range |
| `human_clicks`, `preview_clicks`, `automated_clicks` | those of a verdict |
| `bot_clicks` | previews and automated ones |
| `unique_clicks` | distinct visitors among the human clicks, of the range or of the bucket |
| `repeat_clicks` | human clicks less unique ones |
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

from api.reports.buckets import MAX_BUCKETS, Interval, bucket_starts, check_range
from ingest.contract import Row, Warehouse

Dimension = Literal[
    "country",
    "region",
    "city",
    "browser",
    "os",
    "platform",
    "device",
    "referrer",
    "route",
    "verdict",
]

# Of each dimension so many keys, those with the most clicks. As many as buckets: one limit serves both.
MAX_KEYS: Final = MAX_BUCKETS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StatsQuery:
    """What to count: the clicks of a tenant, or of one link by its number, in `[start, end)`.

    `start` and `end` are aware. Raises `RangeError`, or `ValueError` for a dimension that there is not.
    """

    tenant: str
    link: int | None
    start: datetime
    end: datetime
    interval: Interval
    timezone: ZoneInfo
    by: tuple[Dimension, ...] = ()
    exclude_bots: bool = False

    def __post_init__(self) -> None:
        check_range(self.start, self.end)
        if unknown := set(self.by) - set(get_args(Dimension)):
            raise ValueError(f"there is no dimension {', '.join(sorted(unknown))}")


def stats(warehouse: Warehouse, query: StatsQuery) -> dict[str, Any]:
    """`{"totals": counts, "series": [{"start", …counts}], "breakdowns": {dimension: [{"key", …}]}}`.

    The series has every bucket of the range, those without clicks too; `start` is RFC 3339 with the zone's
    offset and may lie before the range where that starts within a bucket. A breakdown's keys are sorted by
    clicks; its `clicks` are of any verdict, its `unique` are human visitors.
    """
    starts = bucket_starts(query.start, query.end, query.interval, query.timezone)
    by = tuple(dict.fromkeys(query.by))
    rows = warehouse.query(_sql(query, by), _parameters(query, starts))
    # The rows of one grouping set share the bit mask of the columns that it does not group by.
    columns = ("bucket", *by)
    everything = (1 << len(columns)) - 1
    by_mask: dict[int, list[Row]] = {}
    for mask, *row in rows:
        by_mask.setdefault(int(mask), []).append(tuple(row))

    def rows_by(index: int) -> list[Row]:
        return by_mask.get(everything ^ (1 << (len(columns) - 1 - index)), [])

    counts_of = {row[0]: row[len(columns) :] for row in rows_by(0)}
    totals = by_mask.get(everything, [])
    return {
        "totals": _counts(totals[0][len(columns) :] if totals else _NONE),
        "series": [
            {
                "start": start.astimezone(query.timezone).isoformat(),
                **_counts(counts_of.get(_unix_ms(start), _NONE)),
            }
            for start in starts
        ],
        "breakdowns": {
            dimension: _breakdown([(row[index], *row[len(columns) :]) for row in rows_by(index)])
            for index, dimension in enumerate(by, start=1)
        },
    }


_NONE: Final[Row] = (0, 0, 0, 0)


def _sql(query: StatsQuery, by: tuple[Dimension, ...]) -> str:
    columns = ", ".join(("bucket", *by))
    sets = ", ".join(f"({column})" for column in ("bucket", *by))
    link = "" if query.link is None else " AND link = {link:UInt64}"
    bots = " AND verdict = 'human'" if query.exclude_bots else ""
    # S608: the columns come from a closed set, all else is bound.
    return (
        f"SELECT GROUPING({columns}) AS mask, {columns}, count() AS clicks,"  # noqa: S608
        " countIf(verdict = 'human'), uniqExactIf(visitor, verdict = 'human'), countIf(verdict = 'preview')"
        # roundDown finds the bucket by binary search: no time zone rule is asked twice, here and there.
        " FROM (SELECT *, roundDown(toUnixTimestamp64Milli(ts), {starts:Array(Int64)}) AS bucket"
        " FROM clicks WHERE tenant = {tenant:String}"
        f"{link}"
        " AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')"
        f" AND ts < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC'){bots})"
        f" GROUP BY GROUPING SETS ((), {sets})"
        f" ORDER BY clicks DESC LIMIT {MAX_KEYS} BY mask"
    )


def _parameters(query: StatsQuery, starts: list[datetime]) -> dict[str, object]:
    parameters: dict[str, object] = {
        "tenant": query.tenant,
        "start": _ceil_ms(query.start),
        "end": _ceil_ms(query.end),
        "starts": [_unix_ms(start) for start in starts],
    }
    if query.link is not None:
        parameters["link"] = query.link
    return parameters


def _counts(row: Row) -> dict[str, int]:
    clicks, human, unique, previews = map(int, row)
    return {
        "total_clicks": clicks,
        "human_clicks": human,
        "unique_clicks": unique,
        "repeat_clicks": human - unique,
        "bot_clicks": clicks - human,
        "preview_clicks": previews,
        "automated_clicks": clicks - human - previews,
    }


def _breakdown(rows: list[Row]) -> list[dict[str, object]]:
    ordered = sorted(rows, key=lambda row: (-row[1], row[0]))
    return [{"key": row[0], "clicks": int(row[1]), "unique": int(row[3])} for row in ordered]


def _unix_ms(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def _ceil_ms(instant: datetime) -> int:
    """Clicks have whole milliseconds: one at or after `instant` is one at or after this."""
    return -((_EPOCH - instant) // timedelta(milliseconds=1))
