"""The command line's messages, webhooks, and clicks that apps report."""

import asyncio
import json

from aggregator.webhooks.store import Delivery, Standing, add_deliveries, save_standings
from ingest.contract import DEFAULT_TENANT
from tests.api.command import run, run_json
from tests.api.conftest import DOMAIN, RunningApi

HOOK = "https://hooks.example.com/smartlinks"
NUMBERS = ("+447700900123", "+447700900124")


async def test_messages_are_sent_listed_and_shown(api: RunningApi) -> None:
    sent = await run_json(
        api.url,
        *("sms", "send", *NUMBERS, "--from", "12233", "--shorten-urls", "--correlation-id", "order-1"),
        *("--content", "Hi ${name}: https://www.example.com/spring", "--set", "name=you=all"),
    )
    assert [message["to"] for message in sent["messages"]] == list(NUMBERS)
    first = sent["messages"][0]
    assert first["content"].startswith(f"Hi you=all: https://{DOMAIN}/")
    body = json.dumps({"from": "12233", "to": [NUMBERS[0], "nobody"], "content": "[Hi]"}).encode()
    shown, (code, table, _), (usage, _, errors) = await asyncio.gather(
        run_json(api.url, "sms", "show", first["id"]),
        run(api.url, "sms", "send", "--body", "-", stdin=body),
        run(api.url, "sms", "send", *NUMBERS),
    )
    assert (shown["status"], shown["correlationId"], shown["content"]) == (
        "queued",
        "order-1",
        first["content"],
    )
    assert (code, "[Hi]" in table, "Not a telephone number" in table) == (1, True, True)
    assert len(await run_json(api.url, "sms", "list", "--status", "queued", "--limit", "2")) == 2
    assert (usage, "--body" in errors) == (2, True)


async def test_a_click_of_an_app_is_reported(api: RunningApi) -> None:
    link = await api.make()
    counted, (code, _, errors) = await asyncio.gather(
        run_json(api.url, "clicks", "report", str(link["short_url"]), "--address", "192.0.2.1"),
        run(api.url, "clicks", "report", f"https://{DOMAIN}/none1234"),
    )
    assert list(counted) == ["transaction-id"]
    assert (code, errors.startswith("Refused: "), "HTTP status" in errors) == (3, True, False)


async def test_a_webhook_from_its_making_to_its_end(api: RunningApi) -> None:
    made = await run_json(
        api.url,
        *("webhooks", "create", HOOK, "--event", "link.clicked", "--event", "link.created"),
        *("--description", "CRM", "--include-bots"),
    )
    assert (made["events"], made["include_bots"]) == (["link.clicked", "link.created"], True)
    changed = await run_json(
        api.url, "webhooks", "update", made["id"], "--event", "link.deleted", "--humans-only", "--disable"
    )
    shown, secret, (code, table, _), (receipts, _, errors) = await asyncio.gather(
        run_json(api.url, "webhooks", "show", made["id"]),
        run_json(api.url, "webhooks", "secret", made["id"]),
        run(api.url, "webhooks", "list"),
        run(api.url, "webhooks", "delete", "receipts", "--yes"),
    )
    assert shown == changed
    assert (changed["events"], changed["include_bots"], changed["enabled"]) == (
        ["link.deleted"],
        False,
        False,
    )
    assert (code, HOOK in table, "receipts" in table, "Disabled by hand" in table) == (0, True, True, True)
    assert (receipts, errors.startswith("Refused:")) == (3, True)
    rotated = await run_json(api.url, "webhooks", "rotate", made["id"])
    assert rotated["previous_secret"] == secret["secret"] != rotated["secret"]
    assert await run(api.url, "webhooks", "delete", made["id"], "--yes") == (0, "", "")
    code, _, errors = await run(api.url, "--json", "webhooks", "show", made["id"])
    assert (code, "Refused:" in errors) == (3, True)


async def test_deliveries_are_listed_and_replayed(api: RunningApi) -> None:
    now_ms = api.clock_ms()
    deliveries = [
        Delivery(DEFAULT_TENANT, "receipts", f"dlv_{number}", "message.clicked", HOOK, "{}", "", now_ms)
        for number in range(3)
    ]
    add_deliveries(api.warehouse, deliveries)
    save_standings(api.warehouse, [(deliveries[1], Standing("given_up", 9, 0, 500, "HTTP 500", now_ms))])
    (given_up,) = await run_json(api.url, "webhooks", "deliveries", "receipts", "--state", "given_up")
    assert (given_up["id"], given_up["attempts"], given_up["last_status"]) == ("dlv_1", 9, 500)
    replayed = await run_json(api.url, "webhooks", "replay", "receipts", "dlv_1")
    assert (replayed["id"], replayed["state"], replayed["attempts"]) == ("dlv_1", "pending", 0)
    code, table, _ = await run(api.url, "webhooks", "deliveries", "receipts", "--limit", "2")
    assert (code, table.count("pending")) == (0, 2)


async def test_a_template_from_its_making_to_its_end(api: RunningApi) -> None:
    made = await run_json(
        api.url, "sms", "templates", "create", "Hi ${name}", "--name", "greeting", "--dlt-template-id", "1107"
    )
    changed = await run_json(api.url, "sms", "templates", "update", made["id"], "--content", "Hello ${name}")
    assert (changed["content"], changed["dltTemplateId"]) == ("Hello ${name}", "1107")
    sent, shown, (code, table, _), (usage, _, errors) = await asyncio.gather(
        run_json(
            api.url,
            *("sms", "send", NUMBERS[0], "--from", "12233", "--content-type", "template"),
            *("--content", made["id"], "--set", "name=Ann"),
        ),
        run_json(api.url, "sms", "templates", "show", made["id"]),
        run(api.url, "sms", "templates", "list"),
        run(api.url, "sms", "templates", "update", made["id"]),
    )
    assert (sent["messages"][0]["content"], shown) == ("Hello Ann", changed)
    assert (code, made["id"] in table, "greeting" in table) == (0, True, True)
    assert (usage, "Nothing to change" in errors) == (2, True)
    assert await run(api.url, "sms", "templates", "delete", made["id"], "--yes") == (0, "", "")
    assert await run_json(api.url, "sms", "templates", "list") == []
