"""From a message to its CLICKED receipt, through the whole system, over the death of whoever sends it."""

import asyncio
import re
from collections.abc import Callable

from aiohttp import web

from tests.fixtures.receiver import Received, Receiver
from tests.fixtures.system import System, wait_until
from tests.system.test_whole_way import IPHONE, click

WHATSAPP = "WhatsApp/2.23.20.0 A"


async def test_a_click_on_a_message_is_told_though_the_sender_dies(
    new_system: Callable[..., System], receiver: Receiver
) -> None:
    is_killed = asyncio.Event()

    async def fail_once(_received: Received) -> web.StreamResponse:
        if len(receiver.received) == 1:
            return web.Response(status=500)
        await is_killed.wait()  # it is tried again after 5 s: we may not be that far
        return web.Response(status=204)

    receiver.behave = fail_once
    system = new_system(extra_env={"SMARTLINKS_OUTBOUND_NETWORKS": "127.0.0.0/8"})
    await asyncio.to_thread(system.start)
    with system.api as api:
        sent = api.post(
            "/v1/sms/messages",
            json={
                "from": "12233",
                "to": [{"to": "+447700900123", "correlationId": "order-1"}],
                "content": "Yours: https://shop.example.com/spring",
                "shortenUrls": True,
                "trackShortUrlClicks": True,
                "callbackUrl": receiver.url,
                "callbackData": "my data",
            },
        )
        assert sent.status_code == 202, sent.text
        message = sent.json()["messages"][0]
        short_url = re.search(r"http\S+", message["content"])
        assert short_url is not None
        path = "/" + short_url[0].rpartition("/")[2]
        assert click(system, path, WHATSAPP)[0] == 302
        assert click(system, path, IPHONE)[0] == 302
        await receiver.wait_for(1)
        secret = api.get("/v1/webhooks/receipts/secret").json()["secret"]
        await asyncio.to_thread(
            wait_until,
            "the failure is stored",
            lambda: api.get("/v1/webhooks/receipts/deliveries").json()["data"][0]["attempts"] == 1,
        )
        (analytics,) = system.processes("deploy.standalone.analytics")
        analytics.kill()
        is_killed.set()
        first, second = await receiver.wait_for(2)
        await asyncio.to_thread(system.wait_ready)
        await asyncio.to_thread(
            wait_until,
            "the success is stored",
            lambda: api.get("/v1/webhooks/receipts/deliveries").json()["data"][0]["state"] == "delivered",
        )
    told = {(received.id, received.body) for received in receiver.received}
    assert told == {(first.id, first.body)}, "the preview is no click"
    data = second.verify(secret)["data"]
    assert (data["status"], data["message_id"], data["to"]) == ("CLICKED", message["id"], "+447700900123")
    assert (data["correlationId"], data["callbackData"]) == ("order-1", "my data")
    assert data["long_url"] == "https://shop.example.com/spring"
    assert data["short_url"].endswith(path)
    assert (data["verdict"], data["os"]["name"]) == ("human", "iOS")
