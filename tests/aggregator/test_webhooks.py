"""Webhooks from a stored click to a receiver that verifies them by the scheme's own library."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from standardwebhooks import WebhookVerificationError

from aggregator.contract import (
    RECEIPTS,
    WebhookDocument,
    list_deliveries,
    new_webhook_secret,
    open_session,
    read_webhooks,
    save_standings,
    save_webhook,
)
from aggregator.webhooks.dispatch import Dispatch
from aggregator.webhooks.metrics import WebhookMetrics
from aggregator.webhooks.runner import feed, now_ms
from aggregator.webhooks.store import Standing
from ingest.contract import Warehouse
from tests.fixtures.clicks import insert_clicks
from tests.fixtures.receiver import Received, Receiver

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
SECRET = new_webhook_secret()


@dataclass
class Hooks:
    """The webhooks' part of an aggregator, a round at a time. `at_ms` is its clock."""

    warehouse: Warehouse
    dispatch: Dispatch
    metrics: WebhookMetrics
    at_ms: int

    async def run(self) -> None:
        """Feed, deliver what is due, and store what came of it."""
        while True:
            webhooks = await asyncio.to_thread(feed, self.warehouse, self.metrics, self.at_ms)
            taken = await self.dispatch.run_once(webhooks)
            await self.dispatch.drain()
            await self.dispatch.store_done()
            if not taken:
                return

    def standings(self, webhook: str) -> list[Standing]:
        found = list_deliveries(self.warehouse, "acme", webhook, state=None, before=None, limit=100)
        return [standing for _, standing in found]


@pytest.fixture
async def hooks(warehouse: Warehouse) -> AsyncIterator[Hooks]:
    """An aggregator that may call loopback, and has looked once: what comes now is news."""
    async with open_session(LOOPBACK, timeout_s=1.0) as session:
        metrics = WebhookMetrics(CollectorRegistry())
        hooks = Hooks(
            warehouse, Dispatch(warehouse, session, metrics, clock_ms=lambda: hooks.at_ms), metrics, now_ms()
        )
        await hooks.run()
        yield hooks
        await hooks.dispatch.close()


def webhook(url: str, *events: str, **fields: Any) -> WebhookDocument:
    return WebhookDocument(
        id="whk_1", tenant="acme", url=url, events=events or ("link.clicked",), secret=SECRET, **fields
    )  # type: ignore[arg-type] # the names are checked by the routes


def click(seq: int, hooks: Hooks, **fields: object) -> dict[str, Any]:
    return {"seq": seq, "source": hooks.at_ms << 21, "ts": hooks.at_ms, "code": "Code0001", **fields}


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


async def test_a_click_on_a_message_is_a_receipt_that_verifies(hooks: Hooks, receiver: Receiver) -> None:
    put_message(hooks.warehouse, receiver.url)
    known = {"browser": "Safari", "os": "iOS", "country": "GB", "city": "Leeds", "ip": "192.0.2.1"}
    insert_clicks(hooks.warehouse, [click(1, hooks, personal=True, **known)], "clicks")
    await hooks.run()
    ((received),) = receiver.received
    (receipts,) = read_webhooks(hooks.warehouse, "acme")
    body = received.verify(receipts.secret)
    data = body["data"]
    assert receipts.id == RECEIPTS
    assert body["type"] == "message.clicked"
    assert (data["status"], data["message_id"], data["to"]) == ("CLICKED", "message-1", "+447700900123")
    assert (data["correlationId"], data["callbackData"]) == ("order-1", "my data")
    assert data["short_url"] == "https://s.example.com/Code0001"
    assert data["long_url"] == "https://shop.example.com/spring"
    assert (data["browser"]["name"], data["os"]["name"], data["place"]["city"]) == ("Safari", "iOS", "Leeds")
    with pytest.raises(WebhookVerificationError):
        replace(received, body=received.body.replace("CLICKED", "clicked")).verify(receipts.secret)
    (standing,) = hooks.standings(RECEIPTS)
    assert (standing.state, standing.attempts, standing.status) == ("delivered", 1, 200)


async def test_previews_and_bots_are_told_of_only_to_who_asks(hooks: Hooks, receiver: Receiver) -> None:
    put_message(hooks.warehouse, receiver.url)
    save_webhook(hooks.warehouse, webhook(f"{receiver.url}/all", include_bots=True))
    insert_clicks(
        hooks.warehouse, [click(1, hooks, verdict="preview"), click(2, hooks, verdict="automated")], "1"
    )
    await hooks.run()
    assert [received.verify(SECRET)["data"]["verdict"] for received in receiver.received] == [
        "preview",
        "automated",
    ]


async def test_no_receipt_without_a_callback_or_without_tracking(hooks: Hooks, receiver: Receiver) -> None:
    put_message(hooks.warehouse, receiver.url, track_clicks=False)
    insert_clicks(hooks.warehouse, [click(1, hooks)], "1")
    await hooks.run()
    assert receiver.received == []


async def test_each_click_is_told_of_once_however_often_it_is_looked_for(
    hooks: Hooks, receiver: Receiver
) -> None:
    save_webhook(hooks.warehouse, webhook(receiver.url))
    for batch in range(3):
        insert_clicks(hooks.warehouse, [click(batch * 10 + at, hooks) for at in range(1, 11)], str(batch))
        await hooks.run()
    # As after a death between the deliveries and the cursor.
    hooks.warehouse.command("TRUNCATE TABLE webhook_cursors")
    hooks.warehouse.insert("webhook_cursors", {"source": [0], "seq": [1], "ts": [1]}, token="again")
    await hooks.run()
    assert len(receiver.received) == len({received.id for received in receiver.received}) == 30


async def test_what_was_before_is_no_news(warehouse: Warehouse, hooks: Hooks, receiver: Receiver) -> None:
    warehouse.command("TRUNCATE TABLE webhook_cursors")
    insert_clicks(warehouse, [click(1, hooks)], "1")
    save_webhook(warehouse, webhook(receiver.url))
    await hooks.run()
    insert_clicks(warehouse, [click(2, hooks)], "2")
    await hooks.run()
    (received,) = receiver.received
    assert received.id.endswith("_2")


async def test_other_tenants_hear_nothing(hooks: Hooks, receiver: Receiver) -> None:
    save_webhook(hooks.warehouse, replace(webhook(receiver.url), tenant="other"))
    save_webhook(hooks.warehouse, replace(webhook(receiver.url), id="whk_2"))
    insert_clicks(hooks.warehouse, [click(1, hooks)], "1")
    await hooks.run()
    assert len(receiver.received) == 1


async def test_two_in_flight_a_receiver(hooks: Hooks, receiver: Receiver) -> None:
    together = asyncio.Event()

    async def wait_for_company(_received: Received) -> web.StreamResponse:
        if len(receiver.received) >= 2:
            together.set()
        await together.wait()
        return web.Response()

    receiver.behave = wait_for_company
    save_webhook(hooks.warehouse, webhook(receiver.url))
    insert_clicks(hooks.warehouse, [click(seq, hooks) for seq in range(1, 21)], "1")
    await hooks.run()
    assert len(receiver.received) == 20
    assert max(received.beside for received in receiver.received) == 1


async def test_a_receiver_that_fails_is_tried_again_under_the_same_id(
    hooks: Hooks, receiver: Receiver
) -> None:
    async def fail(_received: Received) -> web.StreamResponse:
        return web.Response(status=500, text="broken")

    receiver.behave = fail
    save_webhook(hooks.warehouse, webhook(receiver.url))
    insert_clicks(hooks.warehouse, [click(1, hooks)], "1")
    await hooks.run()
    (standing,) = hooks.standings("whk_1")
    assert (standing.state, standing.attempts, standing.status, standing.detail) == (
        "pending",
        1,
        500,
        "broken",
    )
    assert 5_000 <= standing.due_at_ms - hooks.at_ms <= 6_000
    await hooks.run()
    assert len(receiver.received) == 1  # it is not due
    hooks.at_ms = standing.due_at_ms
    await hooks.run()
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    assert 5 * 60_000 <= hooks.standings("whk_1")[0].due_at_ms - hooks.at_ms <= 6 * 60_000


async def test_a_receiver_that_hangs_is_left_after_a_while(hooks: Hooks, receiver: Receiver) -> None:
    async def hang(_received: Received) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    receiver.behave = hang
    save_webhook(hooks.warehouse, webhook(receiver.url))
    insert_clicks(hooks.warehouse, [click(1, hooks)], "1")
    await hooks.run()
    (standing,) = hooks.standings("whk_1")
    assert (standing.state, standing.status) == ("pending", 0)
    assert "no answer" in standing.detail


async def test_redirects_are_not_followed(hooks: Hooks, receiver: Receiver) -> None:
    async def redirect(_received: Received) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(f"{receiver.url}/elsewhere")

    receiver.behave = redirect
    save_webhook(hooks.warehouse, webhook(receiver.url))
    insert_clicks(hooks.warehouse, [click(1, hooks)], "1")
    await hooks.run()
    assert len(receiver.received) == 1
    assert hooks.standings("whk_1")[0].status == 307


async def test_an_overloaded_receiver_is_left_alone_as_long_as_it_asks(
    hooks: Hooks, receiver: Receiver
) -> None:
    async def refuse(_received: Received) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": "120"})

    receiver.behave = refuse
    save_webhook(hooks.warehouse, webhook(receiver.url))
    insert_clicks(hooks.warehouse, [click(seq, hooks) for seq in range(1, 11)], "1")
    await hooks.run()
    assert len(receiver.received) <= 2
    asked = [standing for standing in hooks.standings("whk_1") if standing.attempts]
    assert all(standing.due_at_ms - hooks.at_ms >= 120_000 for standing in asked)
    hooks.at_ms += 119_000
    await hooks.run()
    assert len(receiver.received) <= 2


async def test_gone_disables_until_somebody_enables_it(hooks: Hooks, receiver: Receiver) -> None:
    async def leave(_received: Received) -> web.StreamResponse:
        return web.Response(status=410)

    receiver.behave = leave
    save_webhook(hooks.warehouse, webhook(receiver.url))
    insert_clicks(hooks.warehouse, [click(1, hooks)], "1")
    await hooks.run()
    (disabled,) = read_webhooks(hooks.warehouse, "acme")
    assert "410" in disabled.disabled_reason
    assert hooks.standings("whk_1")[0].state == "given_up"
    insert_clicks(hooks.warehouse, [click(2, hooks)], "2")
    await hooks.run()
    assert len(receiver.received) == 1


async def test_a_callback_that_is_gone_gets_no_receipts_others_do(hooks: Hooks, receiver: Receiver) -> None:
    async def leave(_received: Received) -> web.StreamResponse:
        return web.Response(status=410)

    receiver.behave = leave
    put_message(hooks.warehouse, receiver.url)
    insert_clicks(hooks.warehouse, [click(1, hooks)], "1")
    await hooks.run()
    insert_clicks(hooks.warehouse, [click(2, hooks)], "2")
    await hooks.run()
    assert len(receiver.received) == 1
    kinds = {hook.id.partition("_")[0]: hook.url for hook in read_webhooks(hooks.warehouse, "acme")}
    assert kinds == {RECEIPTS: "", "gone": receiver.url}


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "[::1]",
        "[fe80::1]",
        "192.168.1.1",
        "[::ffff:10.0.0.1]",
        "0.0.0.0",
    ],
)
async def test_our_own_networks_are_never_called(hooks: Hooks, host: str) -> None:
    save_webhook(hooks.warehouse, webhook(f"http://{host}:9/hook"))
    insert_clicks(hooks.warehouse, [click(1, hooks)], "1")
    await hooks.run()
    (standing,) = hooks.standings("whk_1")
    assert (standing.state, standing.status) == ("given_up", 0)
    assert "not a public address" in standing.detail


async def test_both_secrets_sign_for_a_day_after_a_rotation(hooks: Hooks, receiver: Receiver) -> None:
    other = new_webhook_secret()
    save_webhook(
        hooks.warehouse,
        webhook(receiver.url, previous_secret=other, previous_until_ms=hooks.at_ms + 1000),
    )
    insert_clicks(hooks.warehouse, [click(1, hooks)], "1")
    await hooks.run()
    (received,) = receiver.received
    assert received.verify(SECRET) == received.verify(other)
    hooks.at_ms += 2000
    insert_clicks(hooks.warehouse, [click(2, hooks)], "2")
    await hooks.run()
    with pytest.raises(WebhookVerificationError):
        receiver.received[1].verify(other)


async def test_a_delivery_is_sent_again_by_hand(hooks: Hooks, receiver: Receiver) -> None:
    save_webhook(hooks.warehouse, webhook(receiver.url))
    insert_clicks(hooks.warehouse, [click(1, hooks)], "1")
    await hooks.run()
    ((delivery, _),) = list_deliveries(hooks.warehouse, "acme", "whk_1", state=None, before=None, limit=10)
    save_standings(hooks.warehouse, [(delivery, Standing("pending", 0, hooks.at_ms))])
    await hooks.run()
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)


async def test_changes_of_links_are_told_in_order(hooks: Hooks, receiver: Receiver) -> None:
    events = ("link.created", "link.updated", "link.deleted")
    save_webhook(hooks.warehouse, webhook(receiver.url, *events))
    for version, deleted in ((1, False), (2, False), (2**64 - 1, True)):
        row = {
            "tenant": "acme",
            "number": 7,
            "id": "" if deleted else "lnk_1",
            "name": "" if deleted else "Spring",
            "domain": "s.example.com",
            "suffix": "",
            "code": "Spring26",
            "destination_url": "https://shop.example.com/",
            "tags": [],
            "created_at": hooks.at_ms,
            "updated_at": hooks.at_ms,
            "version": version,
            "deleted": deleted,
            "forward_query": False,
            "enabled": True,
        }
        hooks.warehouse.insert("links", {name: [value] for name, value in row.items()}, token=str(version))
        await hooks.run()
        await hooks.run()
    bodies = [received.verify(SECRET) for received in receiver.received]
    assert [body["type"] for body in bodies] == list(events)
    assert {body["data"]["link_id"] for body in bodies} == {"lnk_1"}
    assert bodies[0]["data"]["short_url"] == "https://s.example.com/Spring26"
    assert orjson.loads(receiver.received[2].body)["data"] == {"link_id": "lnk_1"}
