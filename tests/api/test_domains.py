"""Domains: made, changed, deleted, used by links, and back after Redis was emptied."""

import asyncio
import json
from typing import Any

from api.rebuild import rebuild_link_store
from edge.domains import read_domain
from tests.api.conftest import DOMAIN, RunningApi, StartApi
from tests.api.test_bad_input import assert_problem
from tests.fixtures.redis import RedisServer

HOST = "go.example.com"
PAGE = {"title": "Nichts gefunden", "message": "Dieser Link führt nirgendwohin."}
FIELDS: dict[str, Any] = {
    "not_found_url": "https://www.example.com/start",
    "not_found_page": PAGE,
    "expired_url": "https://www.example.com/over",
    "expired_page": PAGE,
    "apple_app_site_association": {"applinks": {"details": [{"appIDs": ["ABCDE12345.com.example.app"]}]}},
    "assetlinks": [{"relation": ["delegate_permission/common.handle_all_urls"], "target": {}}],
}
NOTHING = dict.fromkeys(FIELDS)
OTHER_TENANT = {"Authorization": "Bearer another-tenants-key-01"}


async def make_domain(api: RunningApi, host: str = HOST, **fields: object) -> dict[str, Any]:
    answer = await api.client.post("/v1/domains", json={"host": host, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def hosts(api: RunningApi, **headers: str) -> list[str]:
    answer = await api.client.get("/v1/domains", headers=headers)
    assert answer.json()["next_cursor"] is None
    return [domain["host"] for domain in answer.json()["data"]]


async def test_a_made_domain_is_answered_whole_and_found_at_its_location(api: RunningApi) -> None:
    answer = await api.client.post("/v1/domains", json={"host": "GO.Example.com:443", **FIELDS})
    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/domains/{HOST}")
    times = {"created_at": made["created_at"], "updated_at": made["updated_at"]}
    assert made == {"host": HOST, "is_default": False, **FIELDS, **times}
    assert made["created_at"].endswith("Z")
    assert (await api.client.get(f"/v1/domains/{HOST.upper()}")).json() == made
    stored = read_domain((await api.link_store.domains())[HOST])
    assert stored is not None
    assert json.loads(stored.assetlinks) == FIELDS["assetlinks"]
    assert api.catalogue.domains()[0].to_json() == (await api.link_store.domains())[HOST]


async def test_domains_are_listed_with_the_default_one_first(api: RunningApi) -> None:
    assert await hosts(api) == [DOMAIN]
    for host in ("z.example.com", "a.example.com:8443", "münchen.example"):
        await make_domain(api, host)
    assert await hosts(api) == [DOMAIN, "a.example.com:8443", "xn--mnchen-3ya.example", "z.example.com"]


async def test_a_domain_is_found_as_people_write_it(api: RunningApi) -> None:
    await make_domain(api, "xn--mnchen-3ya.example")
    link = await api.make(domain="München.example:443")
    assert link["domain"] == "xn--mnchen-3ya.example"
    for query in ({"domain": "MÜNCHEN.example"}, {"domain": "xn--mnchen-3ya.example."}):
        found = (await api.client.get("/v1/links", params=query)).json()["data"]
        assert [each["id"] for each in found] == [link["id"]]
    await api.client.delete(f"/v1/links/{link['id']}")
    assert (await api.client.get("/v1/domains/münchen.example")).status_code == 200
    assert (await api.client.delete("/v1/domains/münchen.example")).status_code == 204


async def test_the_same_code_stands_on_two_domains(api: RunningApi) -> None:
    await make_domain(api)
    first = await api.make(code="Spring26", suffix="cisco")
    second = await api.make(code="Spring26", suffix="cisco", domain=HOST.upper())
    assert second["short_url"] == f"https://{HOST}/cisco/Spring26"
    assert (first["domain"], second["domain"]) == (DOMAIN, HOST)
    numbers = [await api.link_store.resolve(tag, "Spring26") for tag in ("", ".1")]
    assert numbers == [1, 2]
    minted = await api.client.post(
        f"/v1/links/{second['id']}/recipients", json={"recipients": [{"recipient": "1"}]}
    )
    code = minted.json()["data"][0]["code"]
    assert minted.json()["data"][0]["short_url"] == f"https://{HOST}/cisco/{code}"
    assert await api.link_store.resolve(".1", code) == 2
    taken = await api.client.post(
        "/v1/links", json={"destination_url": "https://x.example/", "code": "Spring26", "domain": HOST}
    )
    assert_problem(taken, 409, "code-taken")


async def test_a_loopback_domain_has_http_urls(api: RunningApi) -> None:
    await make_domain(api, "localhost:9999")
    assert (await api.make(code="Spring26", domain="localhost:9999"))[
        "short_url"
    ] == "http://localhost:9999/Spring26"


async def test_an_unknown_domain_is_refused_with_those_there_are(api: RunningApi) -> None:
    await make_domain(api)
    body = {"destination_url": "https://www.example.com/", "domain": "x.example.com"}
    problem = assert_problem(await api.client.post("/v1/links", json=body), 422, "invalid-body")
    assert problem["errors"] == [
        {"pointer": "#/domain", "detail": f"Not a configured domain; there are: {DOMAIN}, {HOST}"}
    ]


async def test_a_change_touches_what_it_names_alone(api: RunningApi) -> None:
    made = await make_domain(api, **FIELDS)
    answer = await api.client.patch(f"/v1/domains/{HOST}", json={"not_found_url": None, "expired_page": None})
    changed = answer.json()
    assert changed == {
        **made,
        "not_found_url": None,
        "expired_page": None,
        "updated_at": changed["updated_at"],
    }
    stored = read_domain((await api.link_store.domains())[HOST])
    assert stored is not None
    assert b"Nichts gefunden" in stored.not_found.page


async def test_a_domain_with_links_stays(api: RunningApi) -> None:
    await make_domain(api)
    link = await api.make(domain=HOST)
    await api.client.patch(f"/v1/links/{link['id']}", json={"status": "disabled"})
    problem = assert_problem(await api.client.delete(f"/v1/domains/{HOST}"), 409, "domain-in-use")
    assert problem["detail"] == "1 link stands on this domain; delete them first."
    assert (await api.client.delete(f"/v1/links/{link['id']}")).status_code == 204
    assert (await api.client.delete(f"/v1/domains/{HOST}")).status_code == 204
    assert_problem(await api.client.get(f"/v1/domains/{HOST}"), 404, "not-found")
    assert_problem(await api.client.delete(f"/v1/domains/{HOST}"), 404, "not-found")
    assert await hosts(api) == [DOMAIN]


async def test_a_domain_that_comes_back_keeps_its_old_codes_claimed(api: RunningApi) -> None:
    await make_domain(api, **FIELDS)
    link = await api.make(domain=HOST, code="Spring26")
    await api.client.delete(f"/v1/links/{link['id']}")
    await api.client.delete(f"/v1/domains/{HOST}")
    await make_domain(api, "between.example.com")
    again = await make_domain(api)
    assert {name: again[name] for name in NOTHING} == NOTHING
    body = {"destination_url": "https://www.example.com/", "domain": HOST, "code": "Spring26"}
    assert_problem(await api.client.post("/v1/links", json=body), 409, "code-taken")


async def test_links_and_a_deletion_at_once_leave_no_link_without_its_domain(api: RunningApi) -> None:
    await make_domain(api)
    body = {"destination_url": "https://www.example.com/", "domain": HOST}
    *made, deleted = await asyncio.gather(
        *(api.client.post("/v1/links", json=body) for _ in range(20)),
        api.client.delete(f"/v1/domains/{HOST}"),
    )
    assert {answer.status_code for answer in made} <= {201, 422}
    assert deleted.status_code == (409 if any(answer.status_code == 201 for answer in made) else 204)


async def test_the_default_domain_may_be_changed_and_stays(api: RunningApi) -> None:
    fresh = (await api.client.get(f"/v1/domains/{DOMAIN}")).json()
    assert fresh == {"host": DOMAIN, "is_default": True, **NOTHING, "created_at": None, "updated_at": None}
    assert_problem(await api.client.post("/v1/domains", json={"host": DOMAIN}), 409, "domain-taken")
    assert_problem(await api.client.delete(f"/v1/domains/{DOMAIN}"), 409, "domain-in-use")
    changed = await api.client.patch(f"/v1/domains/{DOMAIN}", json=FIELDS)
    assert changed.json() == {
        "host": DOMAIN,
        "is_default": True,
        **FIELDS,
        **{name: changed.json()[name] for name in ("created_at", "updated_at")},
    }
    assert_problem(await api.client.delete(f"/v1/domains/{DOMAIN}"), 409, "domain-in-use")
    await api.make(code="Spring26")
    assert await api.link_store.resolve("", "Spring26") == 1


async def test_each_tenant_has_domains_of_its_own(api: RunningApi) -> None:
    await make_domain(api)
    assert await hosts(api, **OTHER_TENANT) == [DOMAIN]
    path = f"/v1/domains/{HOST}"
    for answer in (
        await api.client.get(path, headers=OTHER_TENANT),
        await api.client.patch(path, headers=OTHER_TENANT, json={}),
        await api.client.delete(path, headers=OTHER_TENANT),
    ):
        assert_problem(answer, 404, "not-found")
    body = {"destination_url": "https://www.example.com/", "domain": HOST}
    refused = await api.client.post("/v1/links", headers=OTHER_TENANT, json=body)
    assert HOST not in assert_problem(refused, 422, "invalid-body")["detail"]
    taken = await api.client.post("/v1/domains", headers=OTHER_TENANT, json={"host": HOST})
    assert_problem(taken, 409, "domain-taken")
    for method in ("PATCH", "DELETE"):
        answer = await api.client.request(method, f"/v1/domains/{DOMAIN}", headers=OTHER_TENANT, json={})
        assert_problem(answer, 403, "forbidden")


async def test_of_many_who_want_a_host_at_once_one_gets_it(api: RunningApi) -> None:
    answers = await asyncio.gather(*(api.client.post("/v1/domains", json={"host": HOST}) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9


async def test_another_api_finds_the_domain_at_once(start_api: StartApi) -> None:
    first, second = await start_api(), await start_api()
    assert await hosts(second) == [DOMAIN]
    await make_domain(first)
    assert (await second.make(domain=HOST, code="Spring26"))["domain"] == HOST
    assert_problem(await second.client.post("/v1/domains", json={"host": HOST}), 409, "domain-taken")


async def test_domains_and_their_codes_come_back_to_an_emptied_redis(
    api: RunningApi, redis_server: RedisServer
) -> None:
    await make_domain(api, **FIELDS)
    await make_domain(api, "gone.example.com")
    await api.client.delete("/v1/domains/gone.example.com")
    before = await api.link_store.domains()
    redis_server.flush()
    assert await rebuild_link_store(api.link_store, api.catalogue) == 0
    assert await api.link_store.domains() == before
    assert await api.link_store.next_domain_tag() == ".3"
    link = await api.make(domain=HOST, code="Spring26")
    redis_server.flush()
    assert await rebuild_link_store(api.link_store, api.catalogue) == 1
    assert await api.link_store.domains() == before
    assert await api.link_store.resolve(".1", "Spring26") == 1
    assert (await api.client.get(f"/v1/links/{link['id']}")).json()["domain"] == HOST


async def test_an_own_tag_survives_that_the_domain_becomes_the_default_one(api: RunningApi) -> None:
    await make_domain(api)
    document = (await api.link_store.domains())[HOST]
    assert not await api.link_store.put_domain(HOST, ".7", document)
    assert await api.link_store.domain_tag(HOST) == ".1"
