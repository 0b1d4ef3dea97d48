"""Service keys: made once, shown once, rotated with an overlap, limited, and gone within two seconds."""

import asyncio
import ipaddress
import json
import time

import httpx
import pytest

from api.access.key_ring import KeyRing
from edge.contract import Settings
from tests.api.conftest import KEY, RunningApi, StartApi
from tests.api.key_timing import open_ring, steps_of
from tests.api.test_bad_input import assert_problem


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"trusted_proxies": (ipaddress.ip_network("127.0.0.0/8"),)})


async def ask(api: RunningApi, key: str, path: str = "/v1/links", **headers: str) -> httpx.Response:
    return await api.client.get(path, headers={"Authorization": f"Bearer {key}", **headers})


async def make(api: RunningApi, **fields: object) -> dict[str, str]:
    answer = await api.client.post("/v1/keys", json=fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


async def test_a_key_is_shown_once_and_kept_as_a_hash(api: RunningApi) -> None:
    made = await make(api, name="Campaigns", scopes=["report"])
    assert (await ask(api, made["key"])).status_code == 200
    assert made["key"] not in (await api.client.get("/v1/keys")).text
    assert made["key"] not in (await api.client.get(f"/v1/keys/{made['id']}")).text
    stored = api.warehouse.query("SELECT * FROM service_keys")
    assert made["key"] not in json.dumps(stored)
    assert made["ending"] == made["key"][-4:]


async def test_a_revoked_key_is_refused_by_every_api_within_two_seconds(start_api: StartApi) -> None:
    here, there = await start_api(), await start_api()
    made = await make(here)
    async with asyncio.timeout(180):
        while (await ask(there, made["key"])).status_code != 200:  # noqa: ASYNC110 - over HTTP there is no event
            await asyncio.sleep(0.05)  # until the other one has read it
    assert (await here.client.delete(f"/v1/keys/{made['id']}")).status_code == 204
    assert_problem(await ask(here, made["key"]), 401, "unauthorized")
    await there.access.key_ring.refresh()  # as it does every second by itself
    assert_problem(await ask(there, made["key"]), 401, "unauthorized")
    assert (await here.client.patch(f"/v1/keys/{made['id']}", json={"name": "x"})).status_code == 404


async def test_a_rotated_key_works_beside_the_new_one_until_the_overlap_ends(api: RunningApi) -> None:
    made = await make(api)
    answer = await api.client.post(f"/v1/keys/{made['id']}/rotate", json={"overlap_s": 600})
    fresh = answer.json()["key"]
    assert [(await ask(api, key)).status_code for key in (made["key"], fresh)] == [200, 200]
    api.clock_ms = lambda: time.time_ns() // 1_000_000 + 601_000
    assert [(await ask(api, key)).status_code for key in (made["key"], fresh)] == [401, 200]


async def test_a_key_expires(api: RunningApi) -> None:
    made = await make(api, expires_at="2090-01-01T00:00:00Z")
    assert (await ask(api, made["key"])).status_code == 200
    api.clock_ms = lambda: 3_786_912_000_000
    assert (await ask(api, made["key"])).status_code == 401


async def test_a_key_works_from_its_addresses_only_as_trusted_proxies_tell_them(api: RunningApi) -> None:
    made = await make(api, addresses=["198.51.100.0/24", "2001:db8::/32"])
    for address, status in (("198.51.100.7", 200), ("2001:db8::1", 200), ("203.0.113.9", 403)):
        answer = await ask(api, made["key"], **{"X-Forwarded-For": f"198.51.100.1, {address}"})
        assert answer.status_code == status, answer.text
    assert_problem(await ask(api, made["key"]), 403, "address-not-allowed")
    emptied = await api.client.patch(f"/v1/keys/{made['id']}", json={"addresses": []})
    assert_problem(emptied, 422, "invalid-body")  # null opens it to all, and says so


async def test_last_used_is_told(api: RunningApi) -> None:
    made = await make(api)
    await ask(api, made["key"])
    await api.access.key_ring.save_uses()
    async with asyncio.timeout(180):
        while (await api.client.get(f"/v1/keys/{made['id']}")).json()["last_used_at"] is None:  # noqa: ASYNC110 - over HTTP there is no event
            await asyncio.sleep(0.05)  # where it was being saved already


async def test_a_quota_is_told_and_kept(api: RunningApi) -> None:
    made = await make(api, rate_limit={"requests": 3, "window_s": 3600})
    for remaining in (2, 1, 0):
        answer = await ask(api, made["key"])
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"requests";q=3;w=3600'
        assert answer.headers["ratelimit"].startswith(f'"requests";r={remaining};t=')
    refused = await ask(api, made["key"])
    assert_problem(refused, 429, "quota-exceeded")
    assert 1 <= int(refused.headers["retry-after"]) <= 1200
    assert "ratelimit" not in (await ask(api, KEY)).headers


async def test_a_quota_holds_over_all_api_processes(start_api: StartApi) -> None:
    here, there = await start_api(), await start_api()
    made = await make(here, rate_limit={"requests": 20, "window_s": 3600})
    await there.access.key_ring.refresh()
    answers = await asyncio.gather(*(ask(api, made["key"]) for api in (here, there) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 20 + [429] * 20


def test_a_wrong_key_costs_the_same_steps_whatever_it_looks_like(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are looked up by digest: one hash and one comparison of digests, found or not."""
    compared: list[tuple[int, int]] = []

    def note(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("hmac.compare_digest", note)
    ring: KeyRing = api.access.key_ring
    for key in (KEY, KEY[:-1] + "x", "x" + KEY[1:], "", "x" * 10_000):
        ring.find(key.encode())
    assert compared == [(64, 64)] * 5


def test_a_wrong_key_takes_as_many_steps_as_the_right_one() -> None:
    """The steps of the interpreter are counted, not timed: `python -m tests.api.key_timing` does that."""
    ring, kinds = open_ring()
    steps = {kind: steps_of(ring, key) for kind, key in kinds.items()}
    assert steps["right"] > 0
    assert len(set(steps.values())) == 1, steps
