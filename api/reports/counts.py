"""Counts of the last 30 days, for a page of links at once, from the rollups."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from ingest.contract import Warehouse

WINDOW: Final = timedelta(days=30)
LINKS_A_QUERY: Final = 10_000

_SQL: Final = """
SELECT link, sum(sent), sum(clicks)
FROM (
    SELECT tenant, link, start, sent, 0 AS clicks FROM sent_15m
    UNION ALL
    SELECT tenant, link, start, 0 AS sent, clicks FROM clicks_15m
)
WHERE tenant = {tenant:String} AND link IN {links:Array(UInt64)} AND start >= {since:DateTime('UTC')}
GROUP BY link
"""


def counts_30d(
    warehouse: Warehouse, tenant: str, numbers: Sequence[int], now: datetime
) -> dict[int, tuple[int, int]]:
    """For each link number: codes minted for recipients, and clicks of any verdict.

    The window is 30 days before `now`, from the start of that quarter of an hour on, as the rollups are cut.
    """
    since = int((now - WINDOW).timestamp()) // 900 * 900
    counts = dict.fromkeys(numbers, (0, 0))
    for at in range(0, len(numbers), LINKS_A_QUERY):
        batch = list(numbers[at : at + LINKS_A_QUERY])
        rows = warehouse.query(_SQL, {"tenant": tenant, "links": batch, "since": since})
        counts.update({link: (int(sent), int(clicks)) for link, sent, clicks in rows})
    return counts
