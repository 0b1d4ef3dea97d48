"""Removes what apps reported where a redirect of the same person is a row too: both are one click.

The api refuses a report whose redirect it finds among the rows (`api/app_clicks/service.py`). Where ingest or
the bus is behind, the redirect comes later than the report: both meet as rows, whichever was first.
"""

from datetime import datetime
from typing import Final

from ingest.contract import ON_ITS_WAY, Warehouse, remove_clicks

SAME_CLICK_MS: Final = 10 * 60 * 1000
"""A person's report is their redirect if it came no later than this after it."""

# The edge's clock may be ahead of the api's.
_CLOCK_SKEW_MS: Final = 1_000
_REPORTS_A_REMOVAL: Final = 10_000

_REPORTED: Final = "channel = 'app' AND link != 0 AND ts >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
# A personal code tells whose it is, any other the address, where all of it is kept.
_REPEATED: Final = f"""
SELECT source, seq, link
FROM (
    SELECT tenant, link, code, personal, ip, toUnixTimestamp64Milli(ts) AS at_ms, source, seq
    FROM clicks WHERE {_REPORTED}
) AS report
INNER JOIN (
    SELECT tenant, link, code, ip AS redirect_ip, toUnixTimestamp64Milli(ts) AS redirect_ms FROM clicks
    WHERE channel = 'redirect' AND verdict = 'human'
        AND ts >= fromUnixTimestamp64Milli({{since:Int64}} - {SAME_CLICK_MS}, 'UTC')
        AND (tenant, link, code) IN (SELECT tenant, link, code FROM clicks WHERE {_REPORTED})
) AS redirect USING (tenant, link, code)
WHERE at_ms BETWEEN redirect_ms - {_CLOCK_SKEW_MS} AND redirect_ms + {SAME_CLICK_MS}
    AND (personal OR (ip = redirect_ip AND ip != '' AND NOT match(ip, '([.]0|::)$')))
GROUP BY source, seq, link
LIMIT {_REPORTS_A_REMOVAL}
"""  # noqa: S608 - our own names


def remove_repeated_reports(warehouse: Warehouse, now: datetime) -> int:
    """Look through what apps reported in the last 48 hours; how many of it is removed. Blocks."""
    since: dict[str, object] = {"since": int((now - ON_ITS_WAY).timestamp() * 1000)}
    if not warehouse.query(f"SELECT 1 FROM clicks WHERE {_REPORTED} LIMIT 1", since):  # noqa: S608 - our own names
        return 0
    repeated = warehouse.query(_REPEATED, since)
    if not repeated:
        return 0
    parameters = {
        **since,
        "links": sorted({link for _, _, link in repeated}),
        "reports": [(source, seq) for source, seq, _ in repeated],
    }
    one_of_them = "link IN {links:Array(UInt64)} AND (source, seq) IN {reports:Array(Tuple(UInt64, UInt64))}"
    return remove_clicks(warehouse, f"{_REPORTED} AND {one_of_them}", parameters, reason="repeated")
