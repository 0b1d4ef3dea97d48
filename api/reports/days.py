"""Whole days of the rollups, added up by the engine: each visitor once, by who had been there before.

See `aggregator/rollups/returns.py`. What a range's first day has in part (the head) is beside the days; who
was in it and came back later is told from those who were there on that day at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aggregator.contract import DAY_S, LOOK_BACK_DAYS, LOOK_BACK_S
from api.reports.cover import Piece, Span
from api.reports.window_cache import Integers, Names, Shares
from ingest.contract import Warehouse

# How many days, the latest ones, tell how often visitors of a key come back now.
LATELY_DAYS: Final = 7

_DAY_MS: Final = DAY_S * 1000

# A window that was computed twice at one version is taken once. All that is put into this text is our own.
_SQL: Final = """
SELECT dimension, key, sum(clicks), sum(human), sum(visitors), max(visitors), sum(looked_at), sum(again),
    sum(on_head_day), sum(lately), sum(lately_again), sum(of_head_day)
FROM
(
    SELECT dimension, key, if(is_head, 0, of_clicks) AS clicks, if(is_head, 0, of_human) AS human,
        if(is_head, 0, of_visitors) AS visitors, if(is_known, visitors, 0) AS looked_at, 0 AS again,
        0 AS on_head_day, if(number >= {lately_from:UInt16}, looked_at, 0) AS lately, 0 AS lately_again,
        if(is_head, of_visitors, 0) AS of_head_day
    FROM
    (
        SELECT toUInt16(toDate(start)) AS number, number < {first_day:UInt16} AS is_head, dimension,
            (subject, number) IN arrayZip({known_subjects:Array(UInt64)}, {known_days:Array(UInt16)})
                AS is_known,
            keys, clicks AS all_clicks, human AS all_human, visitors AS all_visitors
        FROM rollup_keys
        WHERE tenant = {tenant:String} AND scope = {scope:String} AND grain = {day:UInt32}
            AND dimension IN {dimensions:Array(String)}
            AND (subject, start) IN arrayZip({subjects:Array(UInt64)},
                arrayMap(each -> toDateTime(each, 'UTC'), {starts:Array(UInt32)}))
            AND changes IN {changes:Array(UInt64)}
        LIMIT 1 BY subject, start, dimension
    )
    ARRAY JOIN keys AS key, all_clicks AS of_clicks, all_human AS of_human, all_visitors AS of_visitors
    UNION ALL
    SELECT dimension, key, 0, 0, 0, 0, if(since = 0, 0, each[least(since, {look_back:UInt16})]) AS again,
        if({has_head:Bool}, each[least(since + 1, {look_back:UInt16})] - again, 0), 0,
        if(number >= {lately_from:UInt16} AND is_whole, each[{until_end:UInt16}], 0), 0
    FROM
    (
        SELECT toUInt16(toDate(start)) + {look_back:UInt16} AS number,
            toUInt16(number - {first_day:UInt16}) AS since, dimension, keys, returned,
            (subject, toUInt32(number * {day:UInt32}))
                IN arrayZip({subjects:Array(UInt64)}, {starts:Array(UInt32)}) AS is_whole
        FROM rollup_returns
        WHERE tenant = {tenant:String} AND scope = {scope:String} AND dimension IN {dimensions:Array(String)}
            AND (subject, start) IN arrayZip({known_subjects:Array(UInt64)},
                arrayMap(each -> toDateTime(each, 'UTC'), {known_starts:Array(UInt32)}))
            AND changes IN {known_changes:Array(UInt64)}
        LIMIT 1 BY subject, start, dimension
    )
    ARRAY JOIN keys AS key, returned AS each
)
GROUP BY dimension, key
"""


@dataclass(frozen=True, slots=True)
class WholeDays:
    """Windows of days, and of who returned on them, all in a range whose first whole day is `first_day`.

    Days are numbered from 1970. Those beyond `known_s` (Unix time) are left to the windows beside these, for
    it is not known who returned then; so are those of which no window holds. The range begins within the day
    before if `has_head`, of which `head` has the windows; it ends on `last_day`.
    """

    pieces: frozenset[Piece]
    returns: tuple[Piece, ...]
    head: tuple[Piece, ...]
    first_day: int
    last_day: int
    known_s: int
    head_share: float

    @property
    def has_head(self) -> bool:
        return self.head_share > 0

    @property
    def is_whole(self) -> bool:
        """Whether who returned tells all: of one subject, over no more days than were looked back on."""
        is_short = max(piece.start_s for piece in self.pieces) // DAY_S - self.first_day <= LOOK_BACK_DAYS
        return is_short and len({piece.subject for piece in self.pieces}) == 1


def whole_days(
    span: Span, pieces: Sequence[Piece], returns: Sequence[Piece], head: Sequence[Piece]
) -> WholeDays | None:
    """None where no piece is of a whole day, or nothing is known of who returned in one of the subjects."""
    days = [piece for piece in pieces if piece.grain_s == DAY_S]
    if not days or {piece.subject for piece in days} != {piece.subject for piece in returns}:
        return None
    ends_s = {
        piece.subject: piece.start_s + LOOK_BACK_S for piece in sorted(returns, key=lambda each: each.start_s)
    }
    first_day = -(-span[0] // _DAY_MS)
    return WholeDays(
        pieces=frozenset(piece for piece in days if piece.start_s < ends_s[piece.subject]),
        returns=tuple(returns),
        head=tuple(head),
        first_day=first_day,
        last_day=(span[1] - 1) // _DAY_MS,
        known_s=max(ends_s.values()),
        head_share=(first_day * _DAY_MS - span[0]) / _DAY_MS,
    )


@dataclass(frozen=True, slots=True)
class DaySum:
    """Of a dimension's keys, by their numbers: counts of all days, `in_one` of the largest for each key.

    `unique` are their visitors, each once; of these `on_head_day` were there on the day before the first as
    well, which had `of_head_day`. `share` of a day's visitors were there lately: as long before as the range
    is; the whole dimension's is `dimension_share`, None where nothing is known of it.
    """

    clicks: Integers
    human: Integers
    visitors: Integers
    in_one: Integers
    unique: Shares
    on_head_day: Shares
    of_head_day: Integers
    lately: Integers
    lately_again: Integers

    @property
    def dimension_share(self) -> float | None:
        looked_at = int(self.lately.sum())
        return float(self.lately_again.sum() / looked_at) if looked_at else None


def read_days(
    warehouse: Warehouse,
    tenant: str,
    scope: str,
    days: WholeDays,
    dimensions: Sequence[str],
    names: Callable[[str], Names],
) -> dict[str, DaySum]:
    """The sums of each dimension. Blocks."""
    pieces = (*days.pieces, *days.head)
    latest = max(piece.start_s for piece in days.pieces) // DAY_S
    rows = warehouse.query(
        _SQL,
        {
            "tenant": tenant,
            "scope": scope,
            "dimensions": sorted(dimensions),
            "day": DAY_S,
            "subjects": [piece.subject for piece in pieces],
            "starts": [piece.start_s for piece in pieces],
            "changes": sorted({piece.changes for piece in pieces}),
            "known_subjects": [piece.subject for piece in days.returns],
            "known_starts": [piece.start_s for piece in days.returns],
            "known_days": [piece.start_s // DAY_S + LOOK_BACK_DAYS for piece in days.returns],
            "known_changes": sorted({piece.changes for piece in days.returns}),
            "look_back": LOOK_BACK_DAYS,
            "first_day": days.first_day,
            "has_head": days.has_head,
            "lately_from": latest - LATELY_DAYS + 1,
            "until_end": min(LOOK_BACK_DAYS, max(1, days.last_day - days.first_day + days.has_head)),
        },
    )
    found: dict[str, list[Any]] = {dimension: [] for dimension in dimensions}
    for dimension, *row in rows:
        found[dimension].append(row)
    return {dimension: _sum_of(names(dimension), each) for dimension, each in found.items()}


def _sum_of(names: Names, rows: Sequence[Sequence[Any]]) -> DaySum:
    keys = names.number([row[0] for row in rows])
    counts: Integers = np.zeros((10, int(keys.max(initial=-1)) + 1), np.int64)
    counts[:, keys] = np.asarray([row[1:] for row in rows], np.int64).reshape(-1, 10).T
    clicks, human, visitors, in_one, looked_at, again, on_head_day, lately, lately_again, of_head_day = counts
    # Days of which nothing is known are taken to be like the others.
    everything = max(1, int(looked_at.sum()))
    scale = np.where(looked_at > 0, visitors / np.maximum(looked_at, 1), 0.0)
    seen = np.where(looked_at > 0, again * scale, visitors * (again.sum() / everything))
    return DaySum(
        clicks=clicks,
        human=human,
        visitors=visitors,
        in_one=in_one,
        unique=np.subtract(visitors, seen, dtype=np.float64),
        on_head_day=np.multiply(on_head_day, scale, dtype=np.float64),
        of_head_day=of_head_day,
        lately=lately,
        lately_again=lately_again,
    )
