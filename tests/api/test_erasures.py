"""A person is erased everywhere, and nobody else is."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from aggregator.contract import read_ledger
from aggregator.erasure import sweep_recipients
from api.fields import instant_of
from ingest.contract import DEFAULT_TENANT, RecipientErased, RecipientKeys, recipient_keys_path
from tests.api.conftest import DOMAIN, OTHER_KEY, RunningApi, StartApi
from tests.api.link_events import abandon
from tests.fixtures.clicks import insert_clicks

ALICE = "+447700900123"
BOB = "+447700900124"


async def mint(api: RunningApi, link: dict[str, Any], *recipients: str, key: str | None = None) -> list[str]:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    wanted = {"recipients": [{"recipient": recipient} for recipient in recipients]}
    answer = await api.client.post(f"/v1/links/{link['id']}/recipients", json=wanted, headers=headers)
    assert answer.status_code == 200, answer.text
    return [minted["code"] for minted in answer.json()["data"]]


async def number_of(api: RunningApi, link: dict[str, Any]) -> int:
    document = await api.link_store.get_document(str(link["id"]))
    assert document is not None
    return document[0]


async def erase(api: RunningApi, recipient: str = ALICE) -> dict[str, Any]:
    answer = await api.client.delete(f"/v1/recipients/{recipient.replace('+', '%2B')}")
    assert answer.status_code == 200, answer.text
    erased: dict[str, Any] = answer.json()
    return erased


def put_messages(api: RunningApi, messages: dict[str, tuple[int, str, str]]) -> None:
    """Messages with what was told of them: link, code and recipient of each, by its id."""
    for id_, (link, code, recipient) in messages.items():
        row: dict[str, list[Any]] = {"tenant": [DEFAULT_TENANT], "id": [id_]}
        dated = {**row, "created_at": [api.clock_ms()]}
        for table, columns in {
            "messages": {**row, "recipient": [recipient], "accepted_at": [api.clock_ms()]},
            "message_statuses": {**row, "status": ["sent"]},
            "message_codes": {"tenant": [DEFAULT_TENANT], "link": [link], "code": [code], "message": [id_]},
            "deliveries": {**dated, "recipient": [recipient]},
            "delivery_states": {**dated, "state": ["delivered"], "version": [1]},
        }.items():
            api.warehouse.insert(table, columns, token=f"{table}:{id_}")


def kept(api: RunningApi) -> list[int]:
    return [seq for (seq,) in api.warehouse.query("SELECT seq FROM clicks ORDER BY seq")]


def assert_balanced(api: RunningApi) -> None:
    ledger = read_ledger(api.warehouse, api.settings.spool_dir)
    assert ledger.is_balanced, ledger.differences


async def test_a_person_is_gone_everywhere_and_nobody_else_is(api: RunningApi) -> None:
    first, second = await api.make(), await api.make()
    one, two = await number_of(api, first), await number_of(api, second)
    (alice_one, bob_one), (alice_two,) = await mint(api, first, ALICE, BOB), await mint(api, second, ALICE)
    (longer,) = await mint(api, first, f"{ALICE}4")
    now_ms = api.clock_ms()
    same = {
        "tenant": DEFAULT_TENANT,
        "ip": "203.0.113.7",
        "user_agent": "same",
        "ts": now_ms,
        "personal": True,
    }
    codes = [
        (one, alice_one),
        (one, bob_one),
        (one, longer),
        (one, first["code"]),
        (two, alice_two),
        (two, bob_one),
    ]
    clicks = [{**same, "link": link, "code": code, "seq": seq} for seq, (link, code) in enumerate(codes, 1)]
    others = {**same, "tenant": "other", "link": one, "code": alice_one, "seq": 7}
    put_messages(api, {"m1": (one, alice_one, ALICE), "m2": (one, bob_one, BOB)})
    insert_clicks(api.warehouse, [*clicks, others], "a")

    erased = await erase(api)
    assert (erased["codes"], erased["clicks"]) == (2, 2)
    assert kept(api) == [2, 3, 4, 6, 7]
    assert [await api.link_store.resolve("", code) for code in (alice_one, alice_two)] == [None, None]
    assert [await api.link_store.resolve("", code) for code in (bob_one, longer)] == [one, one]
    rows = api.warehouse.query("SELECT recipient FROM codes ORDER BY recipient")
    assert rows == [(f"{ALICE}4",), (BOB,)]
    for table in ("messages", "message_statuses", "message_codes", "deliveries", "delivery_states"):
        key = "message" if table == "message_codes" else "id"
        assert api.warehouse.query(f"SELECT {key} FROM {table}") == [("m2",)], table
    assert_balanced(api)

    insert_clicks(api.warehouse, [*clicks, others], "a")  # repeated by who died before its commit
    assert kept(api) == [2, 3, 4, 6, 7]
    late = [{**same, "link": one, "code": code, "seq": seq} for seq, code in ((8, alice_one), (9, bob_one))]
    insert_clicks(api.warehouse, late, "late")
    swept = await asyncio.to_thread(sweep_recipients, api.warehouse, instant_of(now_ms))
    assert (swept, kept(api)) == (1, [2, 3, 4, 6, 7, 9])
    assert_balanced(api)

    assert (await erase(api))["codes"] == 0
    (again,) = await mint(api, first, ALICE)
    assert again != alice_one
    insert_clicks(api.warehouse, [{**same, "link": one, "code": again, "seq": 10}], "again")
    assert await asyncio.to_thread(sweep_recipients, api.warehouse, instant_of(now_ms)) == 0
    assert kept(api) == [2, 3, 4, 6, 7, 9, 10]


async def test_clicks_on_a_code_that_is_nobody_s_any_more_are_gone_too(api: RunningApi) -> None:
    link = await api.make()
    alice, bob = await mint(api, link, ALICE, BOB)
    now_ms = api.clock_ms()
    await erase(api)
    orphan = {"tenant": "", "link": 0, "route": "none", "outcome": "not_found", "ts": now_ms}
    hits = [(DOMAIN, alice), (DOMAIN, bob), ("other.example.com", alice)]
    orphans = [{**orphan, "domain": host, "code": code, "seq": n} for n, (host, code) in enumerate(hits, 1)]
    insert_clicks(api.warehouse, orphans, "a")
    for swept in (1, 0):
        assert await asyncio.to_thread(sweep_recipients, api.warehouse, instant_of(now_ms)) == swept
        assert kept(api) == [2, 3]
    insert_clicks(api.warehouse, orphans, "a")
    assert kept(api) == [2, 3]
    assert_balanced(api)


async def test_another_tenant_s_person_of_the_same_number_stays(api: RunningApi) -> None:
    link = await api.make()
    (code,) = await mint(api, link, ALICE)
    answer = await api.client.delete(
        f"/v1/recipients/{ALICE.replace('+', '%2B')}", headers={"Authorization": f"Bearer {OTHER_KEY}"}
    )
    assert (answer.status_code, answer.json()["codes"]) == (200, 0)
    assert await api.link_store.resolve("", code) == await number_of(api, link)


async def test_a_person_stored_under_a_key_is_found(api: RunningApi) -> None:
    link = await api.make()
    number = await number_of(api, link)
    keys = RecipientKeys(recipient_keys_path(api.settings.data_dir))
    keys._keys()  # makes the file, as a tenant's wish for it does
    hashed = keys.forms(DEFAULT_TENANT, ALICE)[0]
    assert hashed != ALICE
    minted = [("hashed01", hashed, ""), ("clear001", ALICE, ""), ("others01", BOB, "")]
    await asyncio.to_thread(api.catalogue.add_codes, DEFAULT_TENANT, number, minted, 1, token="x")
    assert (await erase(api))["codes"] == 2
    assert api.warehouse.query("SELECT code FROM codes") == [("others01",)]


@pytest.mark.parametrize("died_after", ["nothing", "naming", "redis", "clicks"])
async def test_an_erasure_that_was_cut_short_is_made_good(start_api: StartApi, died_after: str) -> None:
    before = await start_api()
    link = await before.make()
    number = await number_of(before, link)
    alice, bob = await mint(before, link, ALICE, BOB)
    clicks = [
        {"tenant": DEFAULT_TENANT, "link": number, "code": code, "seq": seq}
        for seq, code in ((1, alice), (2, bob))
    ]
    insert_clicks(before.warehouse, clicks, "a")
    event = RecipientErased("cut-short", before.clock_ms(), DEFAULT_TENANT, (ALICE,))
    if died_after != "nothing":
        assert before.catalogue.name_codes_of(event) == [(DOMAIN, alice)]
    if died_after in {"redis", "clicks"}:
        await before.link_store.release_codes("", [alice])
    if died_after == "clicks":
        before.catalogue.erase_recipient(event)
    abandon(before.settings.outbox_dir, event)
    after = await start_api()
    assert after.recovered == 1
    assert kept(after) == [2]
    assert [await after.link_store.resolve("", code) for code in (alice, bob)] == [None, number]
    assert after.warehouse.query("SELECT recipient FROM codes") == [(BOB,)]
    assert_balanced(after)


async def test_whoever_has_slashes_in_their_name_can_be_looked_up_and_erased(api: RunningApi) -> None:
    name = "crm/büro 7"
    path = "/v1/recipients/" + quote(name, safe="")
    link = await api.make(campaign="spring/uk")
    (code,) = await mint(api, link, name)
    click = {"tenant": DEFAULT_TENANT, "link": await number_of(api, link), "code": code, "ts": api.clock_ms()}
    insert_clicks(api.warehouse, [{**click, "seq": 1, "verdict": "human"}], "1")
    for asked in (f"{path}/clicks", "/v1/campaigns/spring%2Fuk/recipients"):
        (clicked,) = (await api.client.get(asked)).raise_for_status().json()["data"]
        assert clicked["recipient"] == name
    answer = await api.client.delete(f"{path}/clicks?format=json")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert (await api.client.delete(path)).raise_for_status().json()["codes"] == 1
    assert await api.link_store.resolve("", code) is None


async def test_no_log_tells_who_was_erased(
    api: RunningApi, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mint(api, await api.make(), ALICE)
    await erase(api)
    entries = (await api.client.get("/v1/audit")).raise_for_status()
    assert entries.json()["data"][0]["path"] == "/v1/recipients/{recipient}"
    assert ALICE[1:] not in entries.text

    async def fail() -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(api.outbox, "settle", fail)
    answer = await api.client.delete("/v1/recipients/" + ALICE.replace("+", "%2B"))
    assert answer.status_code == 500
    assert "/v1/recipients/{recipient}" in caplog.text
    assert ALICE[1:] not in caplog.text
