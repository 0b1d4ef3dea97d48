"""Links: made, listed, changed, deleted."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from edge.contract import EdgeLink
from tests.api.conftest import DOMAIN, RunningApi


async def test_a_made_link_is_answered_whole_and_found_at_its_location(api: RunningApi) -> None:
    answer = await api.client.post(
        "/v1/links",
        json={
            "name": "Spring",
            "destination_url": "https://www.example.com/spring",
            "code": "Spring26",
            "suffix": "cisco",
            "device_routes": {"ios": "https://apps.example.com/i"},
            "expires_at": "2099-01-31T18:00:00+01:00",
            "expired_url": "https://www.example.com/over",
            "campaign": "spring",
            "tags": ["sms", "uk", "sms"],
            "external_id": "X-1",
            "forward_query": True,
        },
    )
    assert answer.status_code == 201
    link = answer.json()
    assert answer.headers["location"] == f"/v1/links/{link['id']}"
    assert {
        name: value for name, value in link.items() if name not in {"id", "created_at", "updated_at"}
    } == {
        "name": "Spring",
        "short_url": f"https://{DOMAIN}/cisco/Spring26",
        "domain": DOMAIN,
        "suffix": "cisco",
        "code": "Spring26",
        "destination_url": "https://www.example.com/spring",
        "device_routes": {"ios": "https://apps.example.com/i", "android": None},
        "device_routing": True,
        "expires_at": "2099-01-31T17:00:00Z",
        "expired_url": "https://www.example.com/over",
        "status": "active",
        "campaign": "spring",
        "tags": ["sms", "uk"],
        "external_id": "X-1",
        "forward_query": True,
        "links_sent_30d": 0,
        "clicks_30d": 0,
        "imported_clicks": 0,
    }
    assert link["created_at"] == link["updated_at"]
    assert link["created_at"].endswith("Z")
    assert (await api.client.get(answer.headers["location"])).json() == link


async def test_a_link_with_nothing_but_a_destination_gets_a_fresh_code(api: RunningApi) -> None:
    link = await api.make()
    assert re.fullmatch("[A-Za-z0-9]{8}", link["code"])
    assert link["short_url"] == f"https://{DOMAIN}/{link['code']}"
    assert link["suffix"] is None
    assert link["device_routing"] is False
    assert (link["name"], link["tags"], link["forward_query"]) == ("", [], False)


async def test_the_edge_gets_what_a_redirect_needs(api: RunningApi) -> None:
    link = await api.make(
        code="Edge",
        destination_url="https://münchen.example/ä?q=ü",
        device_routes={"android": "http://a.example"},
    )
    number = await api.link_store.resolve("", "Edge")
    assert number is not None
    edge_link = EdgeLink.from_fields(number, await api.link_store.fields(number))
    assert edge_link is not None
    assert edge_link.destination == b"https://xn--mnchen-3ya.example/%C3%A4?q=%C3%BC"
    assert (edge_link.ios, edge_link.android) == (None, b"http://a.example")
    assert edge_link.code == link["code"]


async def test_a_code_is_given_once_and_never_again(api: RunningApi) -> None:
    link = await api.make(code="Once")
    body = {"destination_url": "https://www.example.com/", "code": "Once"}
    taken = await api.client.post("/v1/links", json=body)
    assert (taken.status_code, taken.json()["type"]) == (409, "/problems/code-taken")
    assert taken.json()["errors"][0]["pointer"] == "#/code"
    assert (await api.client.delete(f"/v1/links/{link['id']}")).status_code == 204
    assert (await api.client.post("/v1/links", json=body)).status_code == 409


async def test_of_many_who_want_a_code_at_once_one_gets_it(api: RunningApi) -> None:
    body = {"destination_url": "https://www.example.com/", "code": "Race"}
    answers = await asyncio.gather(*(api.client.post("/v1/links", json=body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    page = (await api.client.get("/v1/links")).json()["data"]
    assert [link["code"] for link in page] == ["Race"]


async def test_patch_merges(api: RunningApi) -> None:
    link = await api.make(
        name="Old", tags=["a"], device_routes={"ios": "https://i.example", "android": "https://a.example"}
    )
    path = f"/v1/links/{link['id']}"
    patch = {
        "device_routes": {"ios": None},
        "name": None,
        "campaign": "c",
        "destination_url": "https://new.example",
    }
    answer = await api.client.patch(
        path, json=patch, headers={"Content-Type": "application/merge-patch+json"}
    )
    assert answer.status_code == 200
    changed = answer.json()
    assert changed["device_routes"] == {"ios": None, "android": "https://a.example"}
    assert (changed["name"], changed["campaign"], changed["tags"]) == ("", "c", ["a"])
    assert changed["destination_url"] == "https://new.example"
    assert changed["updated_at"] >= link["updated_at"]
    assert (await api.client.get(path)).json() == changed
    number = await api.link_store.resolve("", str(link["code"]))
    assert number is not None
    assert (await api.link_store.fields(number))[b"destination"] == b"https://new.example"
    assert (await api.client.patch(path, json={"device_routes": None})).json()["device_routing"] is False


@pytest.mark.parametrize("field", ["code", "domain", "suffix"])
async def test_what_is_fixed_is_refused(api: RunningApi, field: str) -> None:
    link = await api.make()
    answer = await api.client.patch(f"/v1/links/{link['id']}", json={field: "abcd"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": f"#/{field}", "detail": "Fixed once the link is made; leave it out, or make a new link"}
    ]


async def test_changes_to_one_link_at_once_all_count(api: RunningApi) -> None:
    link = await api.make()
    path = f"/v1/links/{link['id']}"
    patches = [
        {"name": "n"},
        {"campaign": "c"},
        {"external_id": "e"},
        {"tags": ["t"]},
        {"forward_query": True},
    ] * 4
    answers = await asyncio.gather(*(api.client.patch(path, json=patch) for patch in patches))
    assert {answer.status_code for answer in answers} == {200}
    changed = (await api.client.get(path)).json()
    assert [changed[name] for name in ("name", "campaign", "external_id", "tags", "forward_query")] == [
        "n", "c", "e", ["t"], True,
    ]  # fmt: skip
    stored = api.catalogue.link("default", str(link["id"]))
    assert stored is not None
    assert stored.version == 21


async def test_a_disabled_link_has_no_redirect_until_it_is_active_again(api: RunningApi) -> None:
    link = await api.make(code="Switch")
    path = f"/v1/links/{link['id']}"
    number = await api.link_store.resolve("", "Switch")
    assert number is not None
    assert (await api.client.patch(path, json={"status": "disabled"})).json()["status"] == "disabled"
    assert b"destination" not in await api.link_store.fields(number)
    assert (await api.client.get(path)).json()["status"] == "disabled"
    assert (await api.client.patch(path, json={"status": "active"})).json()["status"] == "active"
    assert b"destination" in await api.link_store.fields(number)


async def test_status_follows_the_clock(api: RunningApi) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    link = await api.make(expires_at=soon.isoformat())
    assert link["status"] == "active"
    api.clock_ms = lambda: int(soon.timestamp() * 1000) + 1
    assert (await api.client.get(f"/v1/links/{link['id']}")).json()["status"] == "expired"
    listed = await api.client.get("/v1/links", params={"status": "expired"})
    assert [found["id"] for found in listed.json()["data"]] == [link["id"]]


async def test_a_deleted_link_is_gone_everywhere(api: RunningApi) -> None:
    link = await api.make(code="Gone")
    path = f"/v1/links/{link['id']}"
    number = await api.link_store.resolve("", "Gone")
    assert number is not None
    answer = await api.client.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert EdgeLink.from_fields(number, await api.link_store.fields(number)) is None
    for method in ("GET", "PATCH", "DELETE"):
        gone = await api.client.request(method, path, json={} if method == "PATCH" else None)
        assert (gone.status_code, gone.json()["type"]) == (404, "/problems/not-found")
    assert (await api.client.get(f"{path}/stats")).status_code == 404
    assert (await api.client.get("/v1/links")).json() == {"data": [], "next_cursor": None}


async def test_links_are_listed_searched_and_paged(api: RunningApi) -> None:
    for number in range(7):
        await api.make(
            name=f"Link {number}", campaign="odd" if number % 2 else "even", tags=[f"t{number % 3}"]
        )

    async def names(**parameters: str | int) -> list[str]:
        answer = await api.client.get("/v1/links", params=parameters)
        assert answer.status_code == 200, answer.text
        return [link["name"] for link in answer.json()["data"]]

    assert await names(q="link 3") == ["Link 3"]
    assert await names(campaign="odd", sort="name") == ["Link 1", "Link 3", "Link 5"]
    assert await names(tag="t0", sort="-name") == ["Link 6", "Link 3", "Link 0"]
    assert await names(status="disabled") == []
    paged: list[str] = []
    parameters: dict[str, str | int] = {"limit": 3, "sort": "name"}
    while True:
        page = (await api.client.get("/v1/links", params=parameters)).json()
        paged += [link["name"] for link in page["data"]]
        if page["next_cursor"] is None:
            break
        parameters["cursor"] = page["next_cursor"]
    assert paged == [f"Link {number}" for number in range(7)]


async def test_one_tenant_does_not_see_the_other(api: RunningApi) -> None:
    link = await api.make()
    other = {"Authorization": "Bearer another-tenants-key-01"}
    path = f"/v1/links/{link['id']}"
    assert (await api.client.get(path, headers=other)).status_code == 404
    assert (await api.client.delete(path, headers=other)).status_code == 404
    assert (await api.client.get("/v1/links", headers=other)).json()["data"] == []


async def test_requests_are_counted_by_their_routes_template(api: RunningApi) -> None:
    link = await api.make()
    await api.client.get(f"/v1/links/{link['id']}")
    await api.client.get("/nothing/here")
    samples = {
        ("POST", "/v1/links", "201"),
        ("GET", "/v1/links/{link_id}", "200"),
        ("GET", "none", "404"),
    }
    for method, route, status in samples:
        labels = {"method": method, "route": route, "status": status}
        assert api.registry.get_sample_value("smartlinks_api_requests_total", labels) == 1
    assert api.registry.get_sample_value("smartlinks_api_links_made_total") == 1
