"""Clicks by the million, made inside the warehouse by its own functions of a row's number.

A tenth of them is of link 1, about 1,000 are of link 2, and 9,998 other links share the rest by Zipf's law,
over 30 days. Nine of ten clicks are human. A visitor has 1.4 of them on average, most of the later ones on
another day; those of large cities come back more often. Browser, system, device and place are a visitor's
own, from as many values as a campaign in a few countries sees; one of fifty clicks comes from elsewhere.
"""

from datetime import datetime, timedelta
from typing import Final

from ingest.contract import DEFAULT_TENANT, Warehouse

# Whose service key the api makes by itself.
TENANT: Final = DEFAULT_TENANT
DOMAIN: Final = "s.example.com"
HOT_LINK: Final = 1
SMALL_LINK: Final = 2
LINKS: Final = 10_000
SMALL_LINK_CLICKS: Final = 1_000
DAYS: Final = 30
_SOURCE: Final = 1

# How many values each dimension has, the first ones far more common than the last.
_VALUES: Final = {
    "browser": 40,
    "browser_version": 200,
    "os": 12,
    "os_version": 60,
    "platform": 4,
    "device": 80,
    "referrer": 15,
    "language": 30,
    "route": 3,
    "channel": 2,
    "network_kind": 4,
}
_CITIES: Final = 3_000
_CITIES_A_REGION: Final = 8
_REGIONS_A_COUNTRY: Final = 6

# Clicks come in the order of their time, as they do from an ingest. Of seven clicks in a row, two are by
# visitors who had clicked before: of two such, the one who lives in the larger city.
_CLICKS: Final = """
INSERT INTO clicks (tenant, link, ts, code, domain, personal, source, seq, method, outcome, verdict, visitor,
    ingested_at, country, region, city, {columns})
SELECT '{tenant}', link, ts, '', '{domain}', false, {source}, number, 'GET', 'redirected',
    multiIf(number % 20 = 7, 'preview', number % 20 = 13, 'automated', 'human') AS verdict,
    cityHash64(first, 'visitor'), ts,
    concat('country ', toString(intDiv(place, {cities_a_country}))),
    concat('region ', toString(intDiv(place, {cities_a_region}))),
    concat('city ', toString(place)), {values}
FROM
(
    SELECT number, intDiv(number, 7) AS seven,
        arraySort(earlier -> cityHash64(earlier, 'place') % 1000000, [
            (seven - 10 * intDiv(cityHash64(seven, 'one') % (seven + 1), 10)) * 7 + 2 + number % 2,
            (seven - 10 * intDiv(cityHash64(seven, 'other') % (seven + 1), 10)) * 7 + 2 + number % 2
        ])[1] AS earlier,
        toUInt64(if(number % 7 < 2, earlier, number)) AS first,
        intDiv(first, 7) AS visit,
        multiIf(visit % {small_every} = 5, {small_link},
            visit % 10 = 0, {hot_link},
            {first_other} - 1 + toUInt64(pow({others}, cityHash64(visit, 'link') % 1000000 / 1000000))
        ) AS link,
        if(number % 50 = 0, number, first) AS home,
        toUInt32(pow(cityHash64(home, 'place') % 1000000 / 1000000, 3) * {cities}) AS place,
        fromUnixTimestamp64Milli(toInt64({begin_ms} + number * {span_ms} / {total}), 'UTC') AS ts
    FROM numbers({begin}, {count})
)
SETTINGS insert_deduplicate = 0
"""

# The newest clicks lie in small parts, as an ingest leaves them.
_BULK_INSERTS: Final = 60
_LAST_HOUR_INSERTS: Final = 60


def make_clicks(warehouse: Warehouse, count: int, end: datetime) -> None:
    """`count` clicks in the 30 days before `end`. Blocks for some four minutes a hundred million."""
    last_hour = count - count // (24 * DAYS)
    step = -(-last_hour // _BULK_INSERTS)
    small_step = max(1, -(-(count - last_hour) // _LAST_HOUR_INSERTS))
    for begin in (*range(0, last_hour, step), *range(last_hour, count, small_step)):
        behind = min(begin + step, last_hour) if begin < last_hour else min(begin + small_step, count)
        _insert(warehouse, count, end, begin, behind - begin)


def add_clicks(warehouse: Warehouse, count: int, end: datetime, begin_s: float, seconds: float) -> None:
    """Those of some seconds, from `begin_s` seconds behind `end` on, as fast as the `count` before came."""
    rate = count / timedelta(days=DAYS).total_seconds()
    first, behind = round(begin_s * rate), round((begin_s + seconds) * rate)
    _insert(warehouse, count, end, count + first, behind - first)


def _insert(warehouse: Warehouse, count: int, end: datetime, first: int, clicks: int) -> None:
    values = [
        # The square of a fraction makes the first values common.
        f"concat('{name} ', toString(toUInt32(pow("
        f"cityHash64(home, '{name}') % 1000000 / 1000000, 2) * {size})))"
        for name, size in _VALUES.items()
    ]
    warehouse.command(
        _CLICKS.format(
            columns=", ".join(_VALUES),
            values=", ".join(values),
            tenant=TENANT,
            domain=DOMAIN,
            source=_SOURCE,
            small_link=SMALL_LINK,
            small_every=count // SMALL_LINK_CLICKS,
            total=count,
            hot_link=HOT_LINK,
            first_other=SMALL_LINK + 1,
            others=LINKS - SMALL_LINK,
            cities=_CITIES,
            cities_a_region=_CITIES_A_REGION,
            cities_a_country=_CITIES_A_REGION * _REGIONS_A_COUNTRY,
            begin_ms=int((end - timedelta(days=DAYS)).timestamp() * 1000),
            span_ms=timedelta(days=DAYS) // timedelta(milliseconds=1),
            begin=first,
            count=clicks,
        )
    )
