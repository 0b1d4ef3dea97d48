"""The webhooks' part of an aggregator, a round at a time, and what there is to tell of."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from aggregator.contract import (
    WebhookDocument,
    list_deliveries,
    new_webhook_secret,
    open_session,
)
from aggregator.webhooks.dispatch import Dispatch
from aggregator.webhooks.link_feed import LinkFeed
from aggregator.webhooks.metrics import WebhookMetrics
from aggregator.webhooks.runner import feed, now_ms
from aggregator.webhooks.store import Standing
from ingest.contract import Warehouse

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
SECRET = new_webhook_secret()


@dataclass
class Hooks:
    """The webhooks' part of an aggregator, a round at a time. `at_ms` is its clock."""

    warehouse: Warehouse
    dispatch: Dispatch
    link_feed: LinkFeed
    metrics: WebhookMetrics
    at_ms: int

    async def run(self) -> None:
        """Feed, deliver what is due, and store what came of it."""
        while True:
            webhooks = await asyncio.to_thread(feed, self.warehouse, self.metrics, self.link_feed, self.at_ms)
            taken = await self.dispatch.run_once(webhooks)
            await self.dispatch.drain()
            await self.dispatch.store_done()
            if not taken:
                return

    def standings(self, webhook: str) -> list[Standing]:
        found = list_deliveries(self.warehouse, "acme", webhook, state=None, before=None, limit=100)
        return [standing for _, standing in found]


@pytest.fixture
def answer_within_s() -> float:
    """How long a receiver may take. A test whose receiver hangs overrides it."""
    return 60.0


@pytest.fixture
async def hooks(warehouse: Warehouse, answer_within_s: float) -> AsyncIterator[Hooks]:
    """An aggregator that may call loopback, and has looked once: what comes now is news."""
    async with open_session(LOOPBACK, timeout_s=answer_within_s) as session:
        metrics = WebhookMetrics(CollectorRegistry())
        dispatch = Dispatch(warehouse, session, metrics, clock_ms=lambda: hooks.at_ms)
        hooks = Hooks(warehouse, dispatch, LinkFeed(warehouse), metrics, now_ms())
        await hooks.run()
        yield hooks
        await hooks.dispatch.close()


def webhook(url: str, *events: str, **fields: Any) -> WebhookDocument:
    return WebhookDocument(
        id="whk_1", tenant="acme", url=url, events=events or ("link.clicked",), secret=SECRET, **fields
    )  # type: ignore[arg-type] # the names are checked by the routes


def click(seq: int, hooks: Hooks, **fields: object) -> dict[str, Any]:
    return {"seq": seq, "source": hooks.at_ms << 21, "ts": hooks.at_ms, "code": "Code0001", **fields}


def put_link(warehouse: Warehouse, number: int, version: int = 1, *, deleted: bool = False) -> None:
    """Store a version of a link, or its deletion."""
    row = {
        "tenant": "acme",
        "number": number,
        "id": "" if deleted else f"lnk_{number}",
        "name": "" if deleted else "Spring",
        "domain": "s.example.com",
        "suffix": "",
        "code": f"Spring{number}",
        "destination_url": "https://shop.example.com/",
        "tags": [],
        "created_at": now_ms(),
        "updated_at": now_ms(),
        "version": 2**64 - 1 if deleted else version,
        "deleted": deleted,
        "forward_query": False,
        "enabled": True,
    }
    columns = {name: [value] for name, value in row.items()}
    warehouse.insert("links", columns, token=f"{number}:{row['version']}")


def put_message(warehouse: Warehouse, url: str, **fields: object) -> None:
    """A message whose link has the code `Code0001`."""
    texts = ("owner", "sender", "content", "content_type", "encoding", "urls", "dlt_template_id")
    message = {
        **dict.fromkeys(texts, ""),
        "tenant": "acme",
        "id": "message-1",
        "recipient": "+447700900123",
        "sender": "Acme",
        "correlation_id": "order-1",
        "segments": 1,
        "segments_before": 1,
        "callback_url": url,
        "callback_data": "my data",
        "track_clicks": True,
        "expires_at": 0,
        "accepted_at": now_ms(),
        **fields,
    }
    warehouse.insert("messages", {name: [value] for name, value in message.items()}, token="message")
    code = {
        "tenant": "acme",
        "link": 1,
        "code": "Code0001",
        "message": "message-1",
        "long_url": "https://shop.example.com/spring",
        "short_url": "https://s.example.com/Code0001",
        "accepted_at": now_ms(),
    }
    warehouse.insert("message_codes", {name: [value] for name, value in code.items()}, token="code")
