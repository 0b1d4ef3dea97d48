"""Clicks by the million, made inside the warehouse by its own functions of a row's number.

A tenth of them is of link 1, about 1,000 are of link 2, and 9,998 other links share the rest, over 30 days.
Nine of ten clicks are human. A visitor has 1.35 of them on average, most of the later ones on another day.
Browser, system, device and place are a visitor's own, from as many values as a campaign in a few countries
sees; one of fifty clicks comes from elsewhere.
"""

from datetime import datetime, timedelta
from typing import Final

from ingest.contract import Warehouse

TENANT: Final = "bench"
DOMAIN: Final = "s.example.com"
HOT_LINK: Final = 1
SMALL_LINK: Final = 2
LINKS: Final = 10_000
SMALL_LINK_CLICKS: Final = 1_000
DAYS: Final = 30

# How many values each dimension has, the first ones far more common than the last.
_VALUES: Final = {
    "country": 60,
    "region": 300,
    "city": 2_000,
    "browser": 12,
    "browser_version": 80,
    "os": 8,
    "os_version": 40,
    "platform": 4,
    "device": 60,
    "referrer": 12,
    "language": 30,
    "route": 3,
}

# Clicks come in the order of their time, as they do from an ingest. Of seven clicks in a row, two are by
# visitors who had clicked before.
_CLICKS: Final = """
INSERT INTO clicks (tenant, link, ts, code, domain, personal, source, seq, method, outcome, verdict, visitor,
    ingested_at, {columns})
SELECT '{tenant}', link, ts, '', '{domain}', false, {source}, number, 'GET', 'redirected',
    multiIf(number % 20 = 7, 'preview', number % 20 = 13, 'automated', 'human') AS verdict,
    cityHash64(first, 'visitor'), ts, {values}
FROM
(
    SELECT number, intDiv(number, 7) AS seven,
        toUInt64(if(number % 7 < 2,
            (seven - 10 * intDiv(cityHash64(seven, 'again') % (seven + 1), 10)) * 7 + 2 + number % 2,
            number)) AS first,
        intDiv(first, 7) AS visit,
        multiIf(visit % {small_every} = 5, {small_link},
            visit % 10 = 0, {hot_link},
            3 + cityHash64(visit, 'link') % {others}) AS link,
        if(number % 50 = 0, number, first) AS home,
        fromUnixTimestamp64Milli(toInt64({begin_ms} + number * {span_ms} / {total}), 'UTC') AS ts
    FROM numbers({begin}, {count})
)
SETTINGS insert_deduplicate = 0
"""


def make_clicks(warehouse: Warehouse, count: int, end: datetime, *, source: int = 1) -> None:
    """`count` clicks in the 30 days before `end`. Blocks for about a minute for ten million."""
    values = [
        # The square of a fraction makes the first values common.
        f"concat('{name} ', toString(toUInt32(pow("
        f"cityHash64(home, '{name}') % 1000000 / 1000000, 2) * {size})))"
        for name, size in _VALUES.items()
    ]
    step = -(-count // (2 * DAYS))
    for begin in range(0, count, step):
        warehouse.command(
            _CLICKS.format(
                columns=", ".join(_VALUES),
                values=", ".join(values),
                tenant=TENANT,
                domain=DOMAIN,
                source=source,
                small_link=SMALL_LINK,
                small_every=count // SMALL_LINK_CLICKS,
                total=count,
                hot_link=HOT_LINK,
                others=LINKS - 2,
                begin_ms=int((end - timedelta(days=DAYS)).timestamp() * 1000),
                span_ms=timedelta(days=DAYS) // timedelta(milliseconds=1),
                begin=begin,
                count=min(step, count - begin),
            )
        )
