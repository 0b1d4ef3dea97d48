"""The ledger and dead letters over HTTP: for the operator alone, and as the aggregator acts on them."""

import asyncio
from pathlib import Path

from aggregator.replay import settle_dead_letters
from edge.contract import SpoolWriter, frame
from ingest.batches import DeadLetter
from ingest.contract import ReplayEnrichment
from ingest.dead_letters import DeadLetters
from ingest.sources.source import Range
from tests.api.conftest import OTHER_KEY, RunningApi
from tests.fixtures.clicks import insert_clicks
from tests.ingest.click_events import click_event, click_json

SOURCE = 2_079_283_823_847


def put_letters(api: RunningApi) -> None:
    letters = [
        DeadLetter(100, "wrong_value", "method is 'PUT'", click_json(source=SOURCE, seq=1, method="PUT")),
        DeadLetter(200, "not_json", "no", b"\xff"),
        DeadLetter(300, "wrong_value", "route is 'x'", click_json(source=SOURCE, seq=3, route="x")),
    ]
    DeadLetters(api.warehouse).write(Range(str(SOURCE), 0, 300), letters)


async def test_the_account_of_clicks_on_their_way(api: RunningApi) -> None:
    writer = SpoolWriter(api.settings.spool_dir)
    for seq in range(1, 6):
        writer.append(frame(click_json(source=writer.source, seq=seq)))
    insert_clicks(api.warehouse, [{"source": writer.source, "seq": seq} for seq in (1, 2, 3)], "a")
    answer = await api.client.get("/v1/ledger")
    assert answer.status_code == 200, answer.text
    ledger = answer.json()
    assert ledger["balanced"] is True
    assert {name: ledger[name] for name in ("answered", "on_the_way", "carried", "stored", "rows")} == {
        "answered": 5,
        "on_the_way": 2,
        "carried": 3,
        "stored": 3,
        "rows": 3,
    }
    insert_clicks(api.warehouse, [{"source": writer.source, "seq": 3}], "again")
    ledger = (await api.client.get("/v1/ledger")).json()
    assert (ledger["balanced"], ledger["differences"]) == (False, {"answered": -1, "rows": 0, "rollup": 0})
    writer.close()


async def test_letters_are_listed_replayed_and_discarded(api: RunningApi, tmp_path: Path) -> None:
    put_letters(api)
    first = (await api.client.get("/v1/dead-letters", params={"limit": 2})).json()
    rest = (await api.client.get("/v1/dead-letters", params={"cursor": first["next_cursor"]})).json()
    assert [letter["origin"] for letter in first["data"] + rest["data"]] == [
        f"{SOURCE}:{position}" for position in (100, 200, 300)
    ]
    wrong = (await api.client.get("/v1/dead-letters", params={"reason": "not_json"})).json()
    assert [(letter["value"], letter["value_hex"]) for letter in wrong["data"]] == [(None, "ff")]
    mended = {"letters": [{"origin": f"{SOURCE}:100", "value": click_event()}, {"origin": f"{SOURCE}:300"}]}
    answer = await api.client.post("/v1/dead-letters:replay", json=mended)
    assert answer.status_code == 202, answer.text
    assert answer.json() == {
        "requested": 1,
        "refused": [{"origin": f"{SOURCE}:300", "reason": "wrong_value", "detail": "route is 'x'"}],
    }
    answer = await api.client.post("/v1/dead-letters:discard", json={"origins": [f"{SOURCE}:200"]})
    assert (answer.status_code, answer.json()) == (202, {"requested": 1})
    enrichment = ReplayEnrichment(data_dir=tmp_path, geoip_path=None, warehouse=api.warehouse)
    assert await asyncio.to_thread(settle_dead_letters, api.warehouse, enrichment) == 1
    ledger = (await api.client.get("/v1/ledger")).json()
    assert ledger["balanced"]
    assert (ledger["answered"], ledger["replayed"], ledger["rows"]) == (3, 1, 1)
    assert (ledger["dropped"]["dead_letters"], ledger["dropped"]["discarded_dead_letters"]) == (1, 1)


async def test_what_does_not_fit_is_refused(api: RunningApi) -> None:
    for path, body, pointer in (
        ("replay", {"letters": []}, "#/letters"),
        ("replay", {"letters": [{"origin": "x"}]}, "#/letters/0/origin"),
        ("replay", {"reason": "boredom"}, "#/reason"),
        ("discard", {"origins": [f"{SOURCE}:-1"]}, "#/origins/0"),
        ("discard", {}, "#/origins"),
    ):
        answer = await api.client.post(f"/v1/dead-letters:{path}", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer
    for query in ({"reason": "x"}, {"limit": 0}, {"cursor": "!"}):
        assert (await api.client.get("/v1/dead-letters", params=query)).status_code == 422


async def test_a_tenant_sees_neither(api: RunningApi) -> None:
    theirs = {"Authorization": f"Bearer {OTHER_KEY}"}
    for method, path in (
        ("GET", "/v1/ledger"),
        ("GET", "/v1/dead-letters"),
        ("POST", "/v1/dead-letters:replay"),
        ("POST", "/v1/dead-letters:discard"),
    ):
        assert (await api.client.request(method, path, json={}, headers=theirs)).status_code == 403
