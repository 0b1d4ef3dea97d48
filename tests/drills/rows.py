"""Clicks by the million that are there already, made inside the warehouse, over the last 30 days."""

import time
from collections.abc import Sequence
from typing import Final

from ingest.contract import Warehouse

SOURCE: Final = 4_611_686_018_427_387_904  # of a spool that has long been stored
DAYS: Final = 30
ROWS_A_STATEMENT: Final = 1_000_000

_ROWS: Final = """
INSERT INTO clicks (tenant, link, ts, code, domain, personal, source, seq, method, route, outcome, verdict,
    rule, visitor, country, os, browser, ingested_at)
SELECT {tenant:String}, {link:UInt64} + number % {links:UInt64},
    fromUnixTimestamp64Milli({begin_ms:Int64} + intDiv(number * {span_ms:Int64}, {rows:Int64}), 'UTC') AS at,
    arrayElement({codes:Array(String)}, 1 + number % length({codes:Array(String)})) AS their_code,
    {domain:String}, true, {source:UInt64}, number + 1, 'GET', 'default', 'redirected', 'human', 'browser',
    cityHash64(their_code), ['CH', 'DE', 'FR'][1 + number % 3], ['iOS', 'Android'][1 + number % 2],
    ['Chrome', 'Safari', 'Firefox', 'Edge'][1 + number % 4], at
FROM numbers({from:UInt64}, {count:UInt64})
SETTINGS insert_deduplicate = 0
"""


def make_rows(
    warehouse: Warehouse,
    rows: int,
    *,
    tenant: str,
    link: int,
    domain: str,
    codes: Sequence[str],
    links: int = 1,
) -> None:
    """`rows` clicks, of `links` links from number `link` on and of these codes, in turns. Blocks."""
    span_ms = DAYS * 86_400_000
    begin_ms = time.time_ns() // 1_000_000 - span_ms
    for begin in range(0, rows, ROWS_A_STATEMENT):
        warehouse.command(
            _ROWS,
            {
                "tenant": tenant,
                "link": link,
                "links": links,
                "domain": domain,
                "codes": list(codes),
                "source": SOURCE,
                "begin_ms": begin_ms,
                "span_ms": span_ms,
                "rows": rows,
                "from": begin,
                "count": min(ROWS_A_STATEMENT, rows - begin),
            },
        )
