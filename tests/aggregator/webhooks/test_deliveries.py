"""Receivers that fail, hang, redirect, are overloaded or gone, or are not to be called at all."""

import asyncio

import pytest
from aiohttp import web
from standardwebhooks import WebhookVerificationError

from aggregator.contract import (
    RECEIPTS,
    list_deliveries,
    new_webhook_secret,
    read_webhooks,
    save_standings,
    save_webhook,
)
from aggregator.webhooks.store import Standing
from tests.aggregator.webhooks.conftest import SECRET, Hooks, click, put_message, webhook
from tests.fixtures.clicks import insert_clicks
from tests.fixtures.receiver import Received, Receiver


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


@pytest.mark.parametrize("answer_within_s", [1.0])
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
