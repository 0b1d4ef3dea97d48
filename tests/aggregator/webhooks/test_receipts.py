"""From a stored click to a receiver that verifies it by the scheme's own library: who is told of what."""

from dataclasses import replace

import pytest
from standardwebhooks import WebhookVerificationError

from aggregator.contract import (
    RECEIPTS,
    read_webhooks,
    save_webhook,
)
from ingest.contract import Warehouse
from tests.aggregator.webhooks.conftest import SECRET, Hooks, click, put_message, webhook
from tests.fixtures.clicks import insert_clicks
from tests.fixtures.receiver import Receiver


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
    verdicts = [received.verify(SECRET)["data"]["verdict"] for received in receiver.received]
    assert sorted(verdicts) == ["automated", "preview"], "they are sent side by side"


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
