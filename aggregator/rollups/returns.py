"""How many visitors of a day had been there in the days before, key by key, counted from the rows.

A visitor of several days is among the visitors of each of them. Whoever adds up the days of a range leaves
out, of each day, those who had been there since the range began, and so has every visitor once: exactly, for
any range of no more days than were looked back on. Neither sketches nor samples are kept for it.
"""

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from aggregator.rollups.windows import (
    DAY_S,
    DETAILED_FROM_CLICKS,
    DIMENSIONS,
    EXACT_UP_TO_CLICKS,
    LOOK_BACK_DAYS,
    LOOK_BACK_S,
    SUBJECTS,
    TOTAL,
    Scope,
    Window,
)
from ingest.contract import Warehouse

WINDOWS_A_ROUND: Final = 1_000
JOB: Final = "count who returned"
# Counted from fewer clicks on than reports need it: it is to be there when they do.
FROM_CLICKS: Final = EXACT_UP_TO_CLICKS * 2 // 3
# With changes of this share of a day's clicks, who returned on it is counted again at once.
MUCH_CHANGED: Final = 0.005

# Of subjects that always had fewer clicks there are none. No count here ever goes down, so a day that was
# looked at once is looked at again when its rows change.
_STALE: Final = """
SELECT tenant, scope, subject, last_day, changed
FROM
(
    SELECT tenant, scope, subject, toUInt16(day) + ahead AS last_day, sum(changes) AS changed,
        sumIf(stored, ahead = 0) AS on_last_day
    FROM
    (
        SELECT tenant, scope, subject, day, sum(clicks) + sum(marks) AS changes, sum(clicks) AS stored
        FROM click_days
        WHERE (tenant, scope, subject) IN (
            SELECT tenant, scope, subject FROM click_days
            GROUP BY tenant, scope, subject HAVING sum(clicks) > {from_clicks:UInt64}
        )
        GROUP BY tenant, scope, subject, day
    )
    ARRAY JOIN range({days:UInt16}) AS ahead
    GROUP BY tenant, scope, subject, last_day
    HAVING on_last_day >= {detailed_from:UInt64} AND last_day < {today:UInt16}
) AS live
LEFT JOIN
(
    SELECT tenant, scope, subject, toUInt16(toDate(start)) + {days:UInt16} - 1 AS last_day,
        max(changes) AS computed
    FROM rollup_windows
    WHERE grain = {look_back:UInt32}
    GROUP BY tenant, scope, subject, last_day
) AS known USING (tenant, scope, subject, last_day)
WHERE changed != computed AND changed >= computed + on_last_day * {least:Float64}
ORDER BY last_day DESC, tenant, scope, subject
LIMIT {limit:UInt32}
"""

_BEFORE: Final = """tenant = {{tenant:String}} AND {among} AND verdict = 'human'
            AND ts >= fromUnixTimestamp64Milli({{from_ms:Int64}}, 'UTC')
            AND ts < fromUnixTimestamp64Milli({{day_ms:Int64}}, 'UTC')"""
_ON_DAY: Final = """tenant = {{tenant:String}} AND {among} AND verdict = 'human'
            AND ts >= fromUnixTimestamp64Milli({{day_ms:Int64}}, 'UTC')
            AND ts < fromUnixTimestamp64Milli({{to_ms:Int64}}, 'UTC')"""
# Rows before the day are read once, and those kept whose visitors are there on the day. Most of these clicked
# once or twice, so what they have in common is found in arrays. Keys are hashes meanwhile.
_KEYS: Final = f"""
INSERT INTO rollup_returns WITH
    before AS
    (
        SELECT {{visitor}} AS id,
            groupUniqArray((toUInt8({{{{day:UInt16}}}} - toUInt16(toDate(ts))), {{hashes}})) AS visits
        FROM clicks
        WHERE {_BEFORE}
            AND {{visitor}} IN (SELECT {{visitor}} FROM clicks WHERE {_ON_DAY})
        GROUP BY id
    ),
    returning AS
    (
        SELECT subject, groupUniqArray(here) AS now, any(visits) AS earlier
        FROM
        (
            SELECT {{visitor}} AS id, {{subject}} AS subject, tuple({{hashes}}) AS here
            FROM clicks WHERE {_ON_DAY}
        ) AS day
        INNER JOIN before USING (id)
        GROUP BY id, subject
    ),
    returned AS
    (
        SELECT subject, number, hash,
            arrayCumSum(groupArrayInsertAt(0, {{days}})(visitors, toUInt32(ago - 1))) AS each
        FROM
        (
            SELECT subject, visit.1 AS number, visit.2 AS hash, visit.3 AS ago, count() AS visitors
            FROM (SELECT subject, arrayJoin(arrayConcat({{visits}})) AS visit FROM returning)
            WHERE ago < 255
            GROUP BY subject, number, hash, ago
        )
        GROUP BY subject, number, hash
    ),
    names AS
    (
        SELECT subject, number, key, cityHash64(key) AS hash
        FROM
        (
            SELECT subject, arrayJoin(arrayZip(range(2, {{behind}}), seen)) AS one, one.1 AS number,
                arrayJoin(one.2) AS key
            FROM
            (
                SELECT {{subject}} AS subject, [{{seen}}] AS seen FROM clicks WHERE {_ON_DAY} GROUP BY subject
            )
        )
        UNION ALL
        SELECT arrayJoin({{{{subjects:Array(UInt64)}}}}), 1, '', 0
    )
SELECT {{{{tenant:String}}}}, '{{scope}}', subject, toDateTime({{{{first_s:UInt32}}}}, 'UTC'),
    {{dimensions}}[number] AS dimension,
    {{{{changes:Array(UInt64)}}}}[indexOf({{{{subjects:Array(UInt64)}}}}, subject)],
    cells.1, cells.2
FROM
(
    SELECT subject, number, arraySort(groupArray((key, each))) AS cells
    FROM returned INNER JOIN names USING (subject, number, hash)
    GROUP BY subject, number
)
SETTINGS insert_deduplicate = 0, async_insert = 0
"""
_WINDOWS: Final = """
INSERT INTO rollup_windows
SELECT {tenant:String}, {scope:String}, {look_back:UInt32}, window.1, toDateTime({first_s:UInt32}, 'UTC'),
    window.2, true, 0
FROM (SELECT arrayJoin(arrayZip({subjects:Array(UInt64)}, {changes:Array(UInt64)})) AS window)
SETTINGS insert_deduplicate = 0, async_insert = 0
"""


def find_stale(
    warehouse: Warehouse, now: datetime, *, least: float = 0.0, limit: int = WINDOWS_A_ROUND
) -> list[Window]:
    """The days of many clicks that are over and of which they, or one of the days before, changed since.

    By this share of the day's clicks at least; the latest days first. As windows that begin with the first
    day looked back on and end with the day itself.
    """
    rows = warehouse.query(
        _STALE,
        {
            "days": LOOK_BACK_DAYS + 1,
            "look_back": LOOK_BACK_S,
            "from_clicks": FROM_CLICKS,
            "detailed_from": DETAILED_FROM_CLICKS,
            "least": least,
            "today": int(now.timestamp()) // DAY_S,
            "limit": limit,
        },
    )
    return [
        Window(
            tenant,
            scope,
            int(subject),
            LOOK_BACK_S,
            (int(last_day) - LOOK_BACK_DAYS) * DAY_S,
            int(changed),
            detailed=True,
        )
        for tenant, scope, subject, last_day, changed in rows
    ]


def compute_returns(warehouse: Warehouse, windows: Sequence[Window]) -> None:
    """Replace these by what the rows say now. All are of one tenant and scope. Blocks.

    That may take minutes. `cancel_returns` ends it with a `WarehouseUnavailableError`.
    """
    # What a program left to the engine that died, or that the engine's answer didn't reach, would only cost.
    cancel_returns(warehouse)
    ordered = sorted(windows, key=lambda window: window.start_s)
    for first_s, alike in itertools.groupby(ordered, key=lambda window: window.start_s):
        _compute([*alike], first_s, warehouse)


def cancel_returns(warehouse: Warehouse) -> None:
    """End the count that is under way, if there is one, whoever began it. Does not wait for its end."""
    warehouse.cancel_job(JOB)


def _compute(windows: Sequence[Window], first_s: int, warehouse: Warehouse) -> None:
    day_s = first_s + LOOK_BACK_DAYS * DAY_S
    parameters = {
        "tenant": windows[0].tenant,
        "scope": windows[0].scope,
        "subjects": [window.subject for window in windows],
        "changes": [window.changes for window in windows],
        "first_s": first_s,
        "day": day_s // DAY_S,
        "from_ms": first_s * 1000,
        "day_ms": day_s * 1000,
        "to_ms": (day_s + DAY_S) * 1000,
        "look_back": LOOK_BACK_S,
    }
    warehouse.run_job(JOB, _statement(windows[0].scope), parameters)
    warehouse.command(_WINDOWS, parameters)


def _statement(scope: Scope) -> str:
    subject = SUBJECTS[scope]
    # An earlier visit begins with how many days ago it was, one on the day has hashes only.
    visits = ["[(toUInt8(1), toUInt64(0), arrayMin(earlier.1))]"]
    visits += [
        f"arrayMap(hash -> (toUInt8({number}), hash,"
        f" arrayMin((other, ago) -> if(other = hash, ago, 255), earlier.{number}, earlier.1)),"
        f" arrayDistinct(now.{number - 1}))"
        for number in range(2, len(DIMENSIONS) + 2)
    ]
    return _KEYS.format(
        scope=scope,
        subject=subject,
        among="true" if scope == "tenant" else f"{subject} IN {{subjects:Array(UInt64)}}",
        visitor="visitor" if scope == "tenant" else f"bitXor(visitor, {subject} * 11400714819323198485)",
        hashes=", ".join(f"cityHash64({dimension})" for dimension in DIMENSIONS),
        visits=", ".join(visits),
        days=LOOK_BACK_DAYS,
        behind=len(DIMENSIONS) + 2,
        seen=", ".join(f"groupUniqArray(toString({dimension}))" for dimension in DIMENSIONS),
        dimensions=[TOTAL, *DIMENSIONS],
    )
