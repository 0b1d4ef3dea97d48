"""Windows of four weeks, one from each midnight of UTC: a month's report reads one in place of 28 days.

Of many clicks they are made from the windows of their days and never look at a row. Clicks add up. Visitors
of the days add up to more than there are; how many came on several days is told by the days' deep samples.
Fewer clicks are counted from the rows, exactly. `changes` adds up, so one holds as long as each of its days
does.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from aggregator.rollups.compute import GATHER, WANTED, compute, gather_names, parameters_of
from aggregator.rollups.windows import (
    DAY_S,
    DIMENSIONS,
    EXACT_UP_TO_CLICKS,
    FOUR_WEEKS_OF_ROWS,
    FOUR_WEEKS_S,
    TOTAL,
    Window,
)
from ingest.contract import Warehouse

# Those that ended at one of so many midnights are kept up to date. A report on the last 30 days uses the
# latest or the one before.
MIDNIGHTS: Final = 3
WINDOWS_A_ROUND: Final = 1_000
# All dimensions of so many clicks at once; of more one after the other, for the samples are held in memory.
CLICKS_AT_ONCE: Final = 5_000_000

_STALE: Final = """
SELECT tenant, scope, subject, first_s, changed
FROM
(
    SELECT tenant, scope, subject, first_s, sum(day_changes) AS changed
    FROM
    (
        SELECT tenant, scope, subject, toUnixTimestamp(start) AS start_s, max(changes) AS day_changes,
            argMax(clicks, changes) AS day_clicks, argMax(detailed, changes) AS is_detailed
        FROM rollup_windows
        WHERE grain = {day:UInt32}
            AND start >= toDateTime({since:Int64}, 'UTC') AND start < toDateTime({until:Int64}, 'UTC')
        GROUP BY tenant, scope, subject, start_s
    )
    ARRAY JOIN {firsts:Array(UInt32)} AS first_s
    WHERE start_s >= first_s AND start_s < first_s + {four_weeks:UInt32}
    GROUP BY tenant, scope, subject, first_s
    HAVING sum(day_clicks) > {from_clicks:UInt64} AND (min(is_detailed) OR changed < {of_rows:UInt64})
) AS days
LEFT JOIN
(
    SELECT tenant, scope, subject, toUnixTimestamp(start) AS first_s, max(changes) AS computed
    FROM rollup_windows
    WHERE grain = {four_weeks:UInt32}
    GROUP BY tenant, scope, subject, first_s
) AS known USING (tenant, scope, subject, first_s)
WHERE changed != computed
ORDER BY first_s DESC, tenant, scope, subject
LIMIT {limit:UInt32}
"""

# Days without deep samples serve by the small ones, which lie key by key in one array.
_KEYS: Final = (
    "INSERT INTO rollup_keys WITH"
    + WANTED.replace("{", "{{").replace("}", "}}")
    + """,
    day_keys AS
    (
        SELECT subject, dimension, if(one.1 = 1, previews, 0) AS day_previews, key, one.2 AS clicks,
            one.3 AS human, one.4 AS visitors, one.5 AS level, one.6 AS hashes
        FROM
        (
            SELECT subject, dimension, previews, keys,
                arrayMap((count, behind) -> arraySlice(sample, behind - count + 1, count),
                    sampled, arrayCumSum(sampled)) AS samples,
                arrayZip(arrayEnumerate(keys), clicks, human, visitors,
                    if(empty(deep_levels), levels, deep_levels),
                    if(empty(deep_levels), samples, deep_samples)) AS ones
            FROM rollup_keys
            WHERE tenant = {{tenant:String}} AND scope = '{scope}' AND subject IN {{subjects:Array(UInt64)}}
                AND grain = {day} AND dimension IN {dimensions}
                AND start >= fromUnixTimestamp64Milli({{from_ms:Int64}}, 'UTC')
                AND start < fromUnixTimestamp64Milli({{to_ms:Int64}}, 'UTC')
                AND (subject, start, changes) IN (
                    SELECT subject, start, max(changes) FROM rollup_windows
                    WHERE tenant = {{tenant:String}} AND scope = '{scope}' AND grain = {day}
                        AND subject IN {{subjects:Array(UInt64)}}
                    GROUP BY subject, start
                )
            LIMIT 1 BY subject, dimension, start
        )
        ARRAY JOIN keys AS key, ones AS one
    ),
    summed AS
    (
        SELECT subject, dimension, key, sum(clicks) AS all_clicks, sum(human) AS all_human,
            sum(visitors) AS day_visitors, max(level) AS top, sum(day_previews) AS all_previews,
            groupArrayArray(hashes) AS seen
        FROM day_keys GROUP BY subject, dimension, key
    ),
    counted AS
    (
        SELECT subject, toUInt32({start}) AS start, dimension, key, all_clicks AS clicks, all_human AS human,
            all_previews AS previews, top AS base,
            arrayFilter(hash -> bitAnd(hash, bitShiftLeft(toUInt64(1), top) - 1) = 0, seen) AS hits,
            arraySort(arrayDistinct(hits)) AS hashes,
            if(empty(hits), day_visitors,
                toUInt64(round(day_visitors * length(hashes) / length(hits)))) AS visitors
        FROM summed
    ),
    """
    + GATHER
)
_WINDOWS: Final = (
    "INSERT INTO rollup_windows WITH"
    + WANTED
    + """
SELECT {tenant:String}, {scope:String}, {four_weeks:UInt32}, subject, toDateTime(wanted.start, 'UTC'),
    changes, detailed, sum(days.day_clicks)
FROM wanted INNER JOIN
(
    SELECT subject, argMax(clicks, changes) AS day_clicks
    FROM rollup_windows
    WHERE tenant = {tenant:String} AND scope = {scope:String} AND grain = {day:UInt32}
        AND subject IN {subjects:Array(UInt64)}
        AND start >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND start < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    GROUP BY subject, start
) AS days USING (subject)
GROUP BY subject, wanted.start, changes, detailed
SETTINGS insert_deduplicate = 0, async_insert = 0
"""
)


def find_stale(warehouse: Warehouse, now: datetime) -> list[Window]:
    """The windows of many clicks that ended at one of the last midnights, and whose days changed since."""
    midnight_s = int(now.timestamp()) // DAY_S * DAY_S
    firsts = [midnight_s - FOUR_WEEKS_S - day * DAY_S for day in range(MIDNIGHTS)]
    rows = warehouse.query(
        _STALE,
        {
            "day": DAY_S,
            "four_weeks": FOUR_WEEKS_S,
            "firsts": firsts,
            "since": min(firsts),
            "until": midnight_s,
            "from_clicks": EXACT_UP_TO_CLICKS,
            "of_rows": FOUR_WEEKS_OF_ROWS,
            "limit": WINDOWS_A_ROUND,
        },
    )
    return [
        Window(tenant, scope, int(subject), FOUR_WEEKS_S, int(first_s), int(changed), detailed=True)
        for tenant, scope, subject, first_s, changed in rows
    ]


def compute_four_weeks(warehouse: Warehouse, windows: Sequence[Window]) -> None:
    """Replace these windows by what their days say now. All are of one tenant, scope and start. Blocks.

    Where days have no deep samples, that would be far off: those windows are counted from the rows.
    """
    few = [window for window in windows if window.changes < FOUR_WEEKS_OF_ROWS]
    for window in few:
        compute(warehouse, [window])
    many = [window for window in windows if window not in few]
    if many:
        _merge_days(warehouse, many)


def _merge_days(warehouse: Warehouse, windows: Sequence[Window]) -> None:
    parameters = parameters_of(windows)
    everything = (TOTAL, *DIMENSIONS)
    at_once = sum(window.changes for window in windows) <= CLICKS_AT_ONCE
    for dimensions in [everything] if at_once else [(dimension,) for dimension in everything]:
        statement = _KEYS.format(
            **gather_names(windows[0]),
            dimensions=f"({', '.join(map(repr, dimensions))},)",
            day=DAY_S,
            start=windows[0].start_s,
        )
        warehouse.command(statement, parameters)
    names = {"scope": windows[0].scope, "day": DAY_S, "four_weeks": FOUR_WEEKS_S}
    warehouse.command(_WINDOWS, {**parameters, **names})
