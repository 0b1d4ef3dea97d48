"""The command line's dead letters, reclassification and erasure: what an operator does."""

import asyncio
from datetime import UTC, datetime

from aggregator.reclassify import ReclassificationWorker
from ingest.batches import DeadLetter
from ingest.contract import DEFAULT_TENANT
from ingest.dead_letters import DeadLetters
from ingest.sources.source import Range
from tests.api.command import run, run_json
from tests.api.conftest import RunningApi
from tests.fixtures.clicks import insert_clicks
from tests.ingest.click_events import NOON_MS, click_json

SOURCE = 2_079_283_823_847
ALICE = "+447700900123"
BOT = "Mozilla/5.0 (compatible; Qwzxbot/1.0; +https://qwzx.example.com)"


async def test_dead_letters_are_listed_replayed_and_discarded(api: RunningApi) -> None:
    letters = [
        DeadLetter(100, "wrong_value", "mended meanwhile", click_json(source=SOURCE, seq=1)),
        DeadLetter(200, "not_json", "[no]", b"\xff"),
    ]
    DeadLetters(api.warehouse).write(Range(str(SOURCE), 0, 200), letters)
    (code, table, _), (usage, _, errors) = await asyncio.gather(
        run(api.url, "dlq", "list", "--reason", "not_json"), run(api.url, "dlq", "replay")
    )
    assert (usage, "--all" in errors) == (2, True)
    assert (code, f"{SOURCE}:200" in table, f"{SOURCE}:100" in table, "[no]" in table) == (
        0,
        True,
        False,
        True,
    )
    assert await run_json(api.url, "dlq", "replay", f"{SOURCE}:100") == {"requested": 1, "refused": []}
    code, table, _ = await run(api.url, "dlq", "replay", "--all")
    assert (code, "Refused" in table, f"{SOURCE}:200" in table) == (1, True, True)
    assert await run_json(api.url, "dlq", "discard", f"{SOURCE}:200", "--yes") == {"requested": 1}
    assert all(letter["is_asked"] for letter in await run_json(api.url, "dlq", "list"))


async def test_a_reclassification_is_waited_for(api: RunningApi) -> None:
    click = {"ts": NOON_MS, "user_agent": BOT, "rule": "old", "method": "GET", "signals": "{}"}
    insert_clicks(api.warehouse, [{**click, "seq": seq} for seq in (1, 2)], "clicks")
    asked = ("reclassify", "--since", "2026-09-01T00:00:00Z")
    waiting = await run_json(api.url, *asked, "--no-wait", "--dry-run")
    assert (waiting["state"], waiting["dry_run"]) == ("waiting", True)
    worker = ReclassificationWorker(api.warehouse, lambda: False)
    command = asyncio.create_task(run(api.url, *asked))
    async with asyncio.timeout(180):
        while not command.done():
            await asyncio.to_thread(worker.run_once, datetime.now(UTC))
            await asyncio.wait([command], timeout=0.1)
    code, table, errors = command.result()
    assert (code, "done" in table, "gives an address" in table, errors) == (0, True, True, "")
    assert api.warehouse.query("SELECT DISTINCT verdict FROM clicks") == [("automated",)]


async def test_a_person_is_erased(api: RunningApi) -> None:
    link = await api.make()
    minted = await run_json(api.url, "recipients", "mint", str(link["id"]), stdin=f"{ALICE}\n".encode())
    document = api.catalogue.link(DEFAULT_TENANT, str(link["id"]))
    assert document is not None
    click = {"tenant": DEFAULT_TENANT, "link": document.number, "ts": api.clock_ms(), "personal": True}
    insert_clicks(api.warehouse, [{**click, "code": minted["code"], "recipient": ALICE}], "clicks")
    clicked, asked = await asyncio.gather(
        run_json(api.url, "recipients", "clicked", "--recipient", ALICE),
        run(api.url, "recipients", "erase", ALICE, stdin=b"n\n"),
    )
    assert (clicked["recipient"], clicked["clicks"], asked[0]) == (ALICE, 1, 1)
    erased = await run_json(api.url, "recipients", "erase", ALICE, "--yes")
    assert (erased["codes"], erased["clicks"]) == (1, 1)
    code, output, errors = await run(api.url, "--json", "recipients", "clicked", "--link", str(link["id"]))
    assert (code, output, errors) == (0, "", "")


async def test_who_changed_what_is_listed(api: RunningApi) -> None:
    link = await api.make()
    await run_json(api.url, "links", "update", str(link["id"]), "--name", "Renamed")
    changes = await run_json(api.url, "audit", "--actor", "admin", "--limit", "1")
    assert [(change["method"], change["path"]) for change in changes] == [
        ("PATCH", f"/v1/links/{link['id']}")
    ]
    code, table, _ = await run(api.url, "audit")
    assert (code, "key admin" in table, table.count("/v1/links")) == (0, True, 2)
    refused, _, errors = await run(api.url, "audit", "--from", "yesterday")
    assert (refused, "from" in errors) == (3, True)
