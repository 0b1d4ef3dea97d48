"""Counts of the last 30 days, for a page of links at once, from the rollups."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from aggregator.contract import DAY_S, QUARTER_S
from ingest.contract import Warehouse

WINDOW: Final = timedelta(days=30)
LINKS_A_QUERY: Final = 10_000

# Whole days are in windows; the first part of a day, yesterday and today are counted as they were stored.
_SQL: Final = """
SELECT link, sum(sent), sum(clicks)
FROM (
    SELECT link, sum(sent) AS sent, 0 AS clicks
    FROM sent_15m
    WHERE tenant = {tenant:String} AND link IN {links:Array(UInt64)}
        AND start >= toDateTime({since:Int64}, 'UTC')
    GROUP BY link
    UNION ALL
    SELECT subject, 0, sum(clicks)
    FROM rollup_windows FINAL
    WHERE tenant = {tenant:String} AND scope = 'link' AND grain = {day:UInt32}
        AND subject IN {links:Array(UInt64)}
        AND start >= toDateTime({first_day:Int64}, 'UTC') AND start < toDateTime({yesterday:Int64}, 'UTC')
    GROUP BY subject
    UNION ALL
    SELECT subject, 0, sum(clicks)
    FROM click_changes
    WHERE tenant = {tenant:String} AND scope = 'link' AND subject IN {links:Array(UInt64)}
        AND (day >= toDate(toDateTime({yesterday:Int64}, 'UTC'))
            OR day = toDate(toDateTime({since:Int64}, 'UTC'))
            AND start >= toDateTime({since:Int64}, 'UTC') AND start < toDateTime({first_day:Int64}, 'UTC'))
    GROUP BY subject
)
GROUP BY link
"""


def counts_30d(
    warehouse: Warehouse, tenant: str, numbers: Sequence[int], now: datetime
) -> dict[int, tuple[int, int]]:
    """For each link number: codes minted for recipients, and clicks of any verdict.

    The window is 30 days before `now`, from the start of that quarter of an hour on, as the rollups are cut.
    Clicks of an erased person leave the counts of yesterday and today once these are past.
    """
    since_s = int((now - WINDOW).timestamp()) // QUARTER_S * QUARTER_S
    parameters = {
        "tenant": tenant,
        "day": DAY_S,
        "since": since_s,
        "first_day": -(-since_s // DAY_S) * DAY_S,
        "yesterday": int((now - timedelta(days=1)).timestamp()) // DAY_S * DAY_S,
    }
    counts = dict.fromkeys(numbers, (0, 0))
    for at in range(0, len(numbers), LINKS_A_QUERY):
        batch = list(numbers[at : at + LINKS_A_QUERY])
        rows = warehouse.query(_SQL, {**parameters, "links": batch})
        counts.update({link: (int(sent), int(clicks)) for link, sent, clicks in rows})
    return counts
