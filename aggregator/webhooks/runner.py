"""The webhooks' part of the aggregator: finds what is news, makes deliveries of it, delivers."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry

from aggregator.outbound import open_session
from aggregator.webhooks.attempt import TIMEOUT_S
from aggregator.webhooks.click_feed import feed_clicks, skip_clicks
from aggregator.webhooks.cursors import read_link_cursor
from aggregator.webhooks.dispatch import AT_A_TIME, Dispatch
from aggregator.webhooks.link_feed import LinkFeed, skip_link_changes
from aggregator.webhooks.metrics import WebhookMetrics
from aggregator.webhooks.store import read_webhooks
from aggregator.webhooks.webhook import WebhookDocument
from edge.contract import Settings
from ingest.contract import Warehouse, WarehouseError, WarehouseUnavailableError

IDLE_S: Final = 0.5
TROUBLED_S: Final = 5.0

log = logging.getLogger(__name__)


def now_ms() -> int:
    """Unix time in ms."""
    return time.time_ns() // 1_000_000


async def run_webhooks(
    settings: Settings,
    warehouse: Warehouse,
    registry: CollectorRegistry,
    stop: asyncio.Event,
    *,
    clock_ms: Callable[[], int] = now_ms,
) -> None:
    """Run until `stop` is set, then let those under way end."""
    metrics = WebhookMetrics(registry)
    async with open_session(
        settings.outbound_networks, timeout_s=TIMEOUT_S, limit_per_host=AT_A_TIME * 4
    ) as session:
        dispatch = Dispatch(warehouse, session, metrics, clock_ms=clock_ms)
        link_feed = LinkFeed(warehouse)
        try:
            while not stop.is_set():
                await _wait(stop, await _round(warehouse, metrics, link_feed, dispatch, clock_ms()))
        finally:
            await dispatch.close()


async def _round(
    warehouse: Warehouse, metrics: WebhookMetrics, link_feed: LinkFeed, dispatch: Dispatch, at_ms: int
) -> float:
    """Make deliveries and send what is due; how long to wait before the next round, in seconds."""
    try:
        webhooks = await asyncio.to_thread(feed, warehouse, metrics, link_feed, at_ms)
        return IDLE_S / 5 if await dispatch.run_once(webhooks) else IDLE_S
    except (WarehouseError, WarehouseUnavailableError) as error:
        log.warning("webhooks wait for the warehouse: %s", error)
        return TROUBLED_S


async def _wait(stop: asyncio.Event, pause_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), pause_s)


def feed(
    warehouse: Warehouse, metrics: WebhookMetrics, link_feed: LinkFeed, at_ms: int
) -> list[WebhookDocument]:
    """Make deliveries of what is news; all webhooks that there are. Blocks."""
    webhooks = read_webhooks(warehouse)
    if read_link_cursor(warehouse) is None:  # the first look ever: what was before is no news
        skip_clicks(warehouse, at_ms)
        skip_link_changes(warehouse)
    metrics.made.labels("clicks").inc(feed_clicks(warehouse, webhooks, at_ms))
    metrics.made.labels("links").inc(link_feed.feed(webhooks, at_ms))
    return read_webhooks(warehouse)
