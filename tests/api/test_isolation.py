"""No tenant can see or guess at another's anything; no key does more than its scopes."""

import asyncio
from collections.abc import AsyncIterator
from typing import get_args

import httpx
import pytest

from api.access.scopes import GrantableScope, scopes_for
from tests.api.calls import all_calls, make_values
from tests.api.conftest import KEY, OTHER_KEY, RunningApi, put_key

FIXED = {"X-Request-Id": "the-same-each-time"}
# What is asked for by somebody's number or by a campaign's name is another thing in each tenant.
SHARED_NAMES = {"recipient", "campaign"}
SCOPES: tuple[GrantableScope, ...] = get_args(GrantableScope)


@pytest.fixture
async def stranger() -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key of its own."""
    async with httpx.AsyncClient(timeout=180) as client:
        yield client


async def test_anothers_things_are_as_those_that_never_were(
    api: RunningApi, stranger: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    headers = {**FIXED, "Key": OTHER_KEY}
    walked = 0
    for call in all_calls():
        if call.is_system or not set(call.parameters) - SHARED_NAMES:
            continue
        with subtests.test(call=f"{call.method} {call.path}"):
            values = await make_values(call, api.client)
            nothing = {
                name: value[:-1] + ("x" if value[-1] != "x" else "y") for name, value in values.items()
            }
            seen = await stranger.send(call.request(api.url, values, headers))
            never = await stranger.send(call.request(api.url, nothing, headers))
            assert seen.status_code == never.status_code == 404, (seen.text, never.text)
            text = seen.text
            for name, value in values.items():
                text = text.replace(value, nothing[name])
            assert text == never.text
            own = {name: value for name, value in seen.headers.items() if name != "date"}
            assert own == {name: value for name, value in never.headers.items() if name != "date"}
            walked += 1
    assert walked >= 15


async def test_lists_and_reports_tell_nothing_of_another(api: RunningApi, subtests: pytest.Subtests) -> None:
    secrets = []
    for call in all_calls():
        if not call.is_system:
            secrets += [value for name, value in (await make_values(call, api.client)).items()]
    link = await api.make(name="Whisper", campaign="Whisper", tags=["whisper"])
    secrets = [*(each for each in secrets if not each.startswith(("+", "spring"))), str(link["id"]), "hisper"]
    async with httpx.AsyncClient(base_url=api.url, headers={"Key": OTHER_KEY}, timeout=180) as other:
        for call in all_calls():
            if call.method != "GET" or call.parameters or call.is_system:
                continue
            with subtests.test(call=call.path):
                answer = await other.get(call.path, params=call.query)
                assert answer.status_code == 200, answer.text
                assert not [secret for secret in secrets if secret in answer.text]


async def test_a_key_does_what_its_scope_says_and_no_more(
    api: RunningApi, stranger: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    keys = {scope: f"scoped-key-{scope}-0123456789" for scope in SCOPES}
    for scope, key in keys.items():
        put_key(api.warehouse, key, tenant="other", scopes=(scope,))
    await api.access.key_ring.refresh()
    for call in all_calls():
        needed = scopes_for(call.method, call.path)
        for scope, key in keys.items():
            if scope in needed:
                continue
            with subtests.test(call=f"{call.method} {call.path}", scope=scope):
                values = dict.fromkeys(call.parameters, "never-was")
                answer = await stranger.send(call.request(api.url, values, {"Key": key}))
                if call.is_in_vendors_shape:
                    assert (answer.status_code, answer.json()["code"]) == (401, 430)
                else:
                    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")


def test_the_table_of_scopes_keeps_its_promises() -> None:
    """Said a second time in other words, so that a slip in the table is seen."""
    for call in all_calls():
        needed = scopes_for(call.method, call.path)
        where = f"{call.method} {call.path}: {sorted(needed)}"
        assert needed == {"system"} or "admin" in needed, where
        if "report" in needed:
            assert call.method == "GET" or call.path.endswith("/explain"), where
        if "click" in needed:
            assert (call.method, call.path) == ("POST", "/v1/clicks"), where
        if "send" in needed and call.method != "GET":
            assert call.path in {"/v1/sms/messages", "/v1/links/{link_id}/recipients"}, where
        if call.path.startswith(("/v1/keys", "/v1/audit", "/v1/webhooks")):
            assert needed == {"admin"}, where
        if call.path.startswith(("/v1/tenants", "/v1/ledger", "/v1/dead-letters", "/v1/reclassifications")):
            assert needed == {"system"}, where


async def test_nothing_opens_without_a_key_whatever_is_asked(
    api: RunningApi, stranger: httpx.AsyncClient
) -> None:
    bad = [{}, {"Key": "wrong"}, {"Authorization": "Bearer a.b.c"}, {"Authorization": f"Basic {KEY}"}]
    for call in all_calls():
        values = dict.fromkeys(call.parameters, "never-was")
        answers = await asyncio.gather(
            *(stranger.send(call.request(api.url, values, headers)) for headers in bad)
        )
        assert [answer.status_code for answer in answers] == [401] * len(bad), (call.method, call.path)


async def test_a_suspended_tenant_is_refused_until_it_is_taken_up_again(api: RunningApi) -> None:
    assert (await api.client.post("/v1/tenants", json={"id": "other"})).status_code == 201
    async with httpx.AsyncClient(base_url=api.url, headers={"Key": OTHER_KEY}, timeout=180) as other:
        assert (await other.get("/v1/links")).status_code == 200
        await api.client.patch("/v1/tenants/other", json={"active": False})
        answer = await other.get("/v1/links")
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/tenant-suspended")
        await api.client.patch("/v1/tenants/other", json={"active": True})
        assert (await other.get("/v1/links")).status_code == 200
