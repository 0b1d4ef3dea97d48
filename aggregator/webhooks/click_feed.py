"""Finds clicks that nobody was told of yet, each exactly once.

A cursor a spool: within one spool numbers are stored in order, so what is above the cursor is news, however
late it came. The cursor moves after the deliveries are stored; whoever dies in between finds the same clicks
again and makes the same deliveries, which are there already.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aggregator.webhooks.audience import told
from aggregator.webhooks.bodies import ClickedMessage, ClickRow
from aggregator.webhooks.cursors import move_click_cursors
from aggregator.webhooks.store import Delivery, add_deliveries, receipts_webhook
from aggregator.webhooks.webhook import CLICK_EVENTS, GONE_PREFIX, RECEIPTS, WebhookDocument
from ingest.contract import Warehouse

CLICKS_A_ROUND: Final = 5_000
# Times within a spool follow its numbers, unless somebody set the clock back.
CLOCK_SLACK_MS: Final = 2 * 3600 * 1000
_BIRTH_BITS: Final = 21  # a spool's id is its birth in ms, then so many random bits
_LOOKED_UP_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class _News:
    """A spool with clicks above its cursor. `floor_ms`: none of them is older."""

    source: int
    seq: int
    last_seq: int
    floor_ms: int


def feed_clicks(warehouse: Warehouse, webhooks: Sequence[WebhookDocument], now_ms: int) -> int:
    """Make deliveries of the clicks that are news; how many. Call again at once where it is not 0. Blocks."""
    news = _news(warehouse)
    if not news:
        return 0
    listeners = {
        hook.tenant for hook in webhooks if hook.is_enabled and CLICK_EVENTS.intersection(hook.events)
    }
    tenants = listeners | _tenants_with_callbacks(warehouse)
    if not tenants:
        move_click_cursors(warehouse, {one.source: (one.last_seq, now_ms) for one in news})
        return 0
    rows = _clicks(warehouse, news, tenants)
    # A full round may have left out some of a spool, but none below the last one that it holds.
    full = len(rows) == CLICKS_A_ROUND
    seen = {row.source: (row.seq, row.ts_ms) for row in rows}
    deliveries = _deliveries(warehouse, rows, webhooks, now_ms)
    added = add_deliveries(warehouse, deliveries) if deliveries else 0
    ends = {one.source: (one.last_seq, seen.get(one.source, (0, one.floor_ms))[1]) for one in news}
    move_click_cursors(warehouse, seen if full else ends)
    return added


_NEWS: Final = """
SELECT sources.source, cursors.seq, last_seq, toUnixTimestamp64Milli(cursors.ts)
FROM (SELECT source, max(last_seq) AS last_seq FROM click_sources GROUP BY source) AS sources
LEFT JOIN (SELECT source, seq, ts FROM webhook_cursors FINAL) AS cursors ON cursors.source = sources.source
WHERE last_seq > cursors.seq
ORDER BY sources.source
"""


def _news(warehouse: Warehouse) -> list[_News]:
    return [
        _News(source, seq, last_seq, max(ts_ms, source >> _BIRTH_BITS) - CLOCK_SLACK_MS)
        for source, seq, last_seq, ts_ms in warehouse.query(_NEWS)
    ]


def skip_clicks(warehouse: Warehouse, now_ms: int) -> None:
    """Leave out all that is stored by now."""
    move_click_cursors(warehouse, {one.source: (one.last_seq, now_ms) for one in _news(warehouse)})


def _tenants_with_callbacks(warehouse: Warehouse) -> set[str]:
    rows = warehouse.query("SELECT DISTINCT tenant FROM messages WHERE callback_url != ''")
    return {str(tenant) for (tenant,) in rows}


_CLICKS: Final = f"""
SELECT source, seq, tenant, link, code, toUnixTimestamp64Milli(ts), verdict, rule, channel, ip,
    country, region, city, browser, browser_version, os, os_version, device_brand, device, platform
FROM clicks
WHERE tenant IN {{tenants:Array(String)}} AND ts >= fromUnixTimestamp64Milli({{floor:Int64}}, 'UTC')
    AND has({{sources:Array(UInt64)}}, source)
    AND seq > transform(source, {{sources:Array(UInt64)}}, {{seqs:Array(UInt64)}}, toUInt64(0))
    AND seq <= transform(source, {{sources:Array(UInt64)}}, {{last_seqs:Array(UInt64)}}, toUInt64(0))
ORDER BY source, seq
LIMIT {CLICKS_A_ROUND}
"""  # noqa: S608 - our own number


def _clicks(warehouse: Warehouse, news: Sequence[_News], tenants: Collection[str]) -> list[ClickRow]:
    rows = warehouse.query(
        _CLICKS,
        {
            "tenants": sorted(tenants),
            "floor": min(one.floor_ms for one in news),
            "sources": [one.source for one in news],
            "seqs": [one.seq for one in news],
            "last_seqs": [one.last_seq for one in news],
        },
    )
    return [ClickRow(*row) for row in rows]


def _deliveries(
    warehouse: Warehouse, clicks: Sequence[ClickRow], webhooks: Sequence[WebhookDocument], now_ms: int
) -> list[Delivery]:
    messages = _messages(warehouse, clicks)
    links = _link_ids(warehouse, clicks)
    hooks: dict[str, list[WebhookDocument]] = {}
    for hook in webhooks:
        hooks.setdefault(hook.tenant, []).append(hook)
    for tenant in {key[0] for key, message in messages.items() if message.callback_url}:
        if not any(hook.id == RECEIPTS for hook in hooks.get(tenant, ())):
            hooks.setdefault(tenant, []).append(receipts_webhook(warehouse, tenant, now_ms))
    gone = {(hook.tenant, hook.url) for hook in webhooks if hook.id.startswith(GONE_PREFIX)}
    return [
        delivery
        for click in clicks
        for hook in hooks.get(click.tenant, ())
        for delivery in told(
            click,
            links.get((click.tenant, click.link), ""),
            messages.get((click.tenant, click.link, click.code)),
            hook,
            now_ms,
        )
        if (delivery.tenant, delivery.url) not in gone
    ]


_MESSAGES: Final = """
SELECT tenant, link, code, message, recipient, sender, correlation_id, callback_data, callback_url, long_url,
    short_url, track_clicks
FROM (
    SELECT tenant, link, code, message, long_url, short_url FROM message_codes FINAL
    WHERE tenant IN {tenants:Array(String)} AND link IN {links:Array(UInt64)}
        AND code IN {codes:Array(String)}
) AS minted
INNER JOIN (
    SELECT tenant, id, recipient, sender, correlation_id, callback_data, callback_url, track_clicks
    FROM messages FINAL
    WHERE (tenant, id) IN (
        SELECT tenant, message FROM message_codes
        WHERE tenant IN {tenants:Array(String)} AND link IN {links:Array(UInt64)}
            AND code IN {codes:Array(String)}
    )
) AS sent ON sent.tenant = minted.tenant AND sent.id = minted.message
"""


def _messages(warehouse: Warehouse, clicks: Sequence[ClickRow]) -> dict[tuple[str, int, str], ClickedMessage]:
    """The message that each code was minted for, by tenant, link and code; most codes have none."""
    found = {}
    for some in _runs(clicks):
        rows = warehouse.query(
            _MESSAGES,
            {
                "tenants": sorted({click.tenant for click in some}),
                "links": sorted({click.link for click in some}),
                "codes": sorted({click.code for click in some}),
            },
        )
        found.update({(tenant, link, code): ClickedMessage(*fields) for tenant, link, code, *fields in rows})
    return found


def _link_ids(warehouse: Warehouse, clicks: Sequence[ClickRow]) -> dict[tuple[str, int], str]:
    found = {}
    for some in _runs(clicks):
        rows = warehouse.query(
            "SELECT tenant, number, id FROM links FINAL"
            " WHERE tenant IN {tenants:Array(String)} AND number IN {links:Array(UInt64)}",
            {
                "tenants": sorted({click.tenant for click in some}),
                "links": sorted({click.link for click in some}),
            },
        )
        found.update({(str(tenant), int(number)): str(link_id) for tenant, number, link_id in rows})
    return found


def _runs(clicks: Sequence[ClickRow]) -> Iterator[Sequence[ClickRow]]:
    for at in range(0, len(clicks), _LOOKED_UP_AT_ONCE):
        yield clicks[at : at + _LOOKED_UP_AT_ONCE]
