"""Many links in one request, and links by external id: a verdict a line, one link however often told."""

import asyncio
import json
from typing import Any

import pytest

from tests.api.conftest import RunningApi

NDJSON = {"Content-Type": "application/x-ndjson"}
URL = "https://www.example.com/"


async def bulk(api: RunningApi, *lines: dict[str, Any] | bytes) -> list[dict[str, Any]]:
    body = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    answer = await api.client.post("/v1/links:bulk", content=body, headers=NDJSON)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_each_line_does_what_it_says_and_is_told_so(api: RunningApi) -> None:
    old, leaving = await api.make(name="old"), await api.make()
    made, upserted, changed, deleted = await bulk(
        api,
        {"destination_url": URL, "code": "Bulk1", "tags": ["a"]},
        {"op": "upsert", "external_id": "crm-1", "destination_url": URL},
        {"op": "update", "id": old["id"], "name": "new", "status": "disabled"},
        {"op": "delete", "id": leaving["id"]},
    )
    assert (made["line"], made["op"], made["status"], made["link"]["code"]) == (1, "create", 201, "Bulk1")
    assert (upserted["status"], upserted["link"]["external_id"]) == (201, "crm-1")
    assert (changed["status"], changed["link"]["name"], changed["link"]["status"]) == (200, "new", "disabled")
    assert deleted == {"line": 4, "op": "delete", "status": 204, "id": leaving["id"]}
    for verdict in (made, upserted, changed):
        assert (await api.client.get(f"/v1/links/{verdict['link']['id']}")).json() == verdict["link"]
    assert (await api.client.get(f"/v1/links/{leaving['id']}")).status_code == 404


async def test_lines_on_one_link_follow_each_other(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.routes.bulk.LINES_A_CHUNK", 8)
    changed, leaving = await api.make(), await api.make()
    upsert = {"op": "upsert", "external_id": "crm-9", "destination_url": URL}
    verdicts = await bulk(
        api,
        *({**upsert, "name": f"{number}"} for number in range(20)),
        *({"op": "update", "id": changed["id"], "name": f"{number}"} for number in range(20)),
        *[{"op": "update", "id": leaving["id"], "name": "x"}, {"op": "delete", "id": leaving["id"]}] * 2,
        *({"destination_url": f"{URL}{number}", "code": "First1"} for number in range(9)),
    )
    assert [each.get("status") for each in verdicts] == [
        *(201, *[200] * 19),
        *[200] * 20,
        *(200, 204, None, None),
        *(201, *[None] * 8),
    ]
    assert [each["link"]["name"] for each in verdicts[:40]] == [f"{number}" for number in range(20)] * 2


async def test_what_fails_is_a_problem_of_its_line_and_the_rest_goes_on(api: RunningApi) -> None:
    await api.make(code="Taken1")
    verdicts = await bulk(
        api,
        b"nope",
        b'{"op": ["create"]}',
        {"op": "rename"},
        {"destination_url": "ftp://www.example.com/"},
        {"destination_url": URL, "code": "Taken1"},
        {"op": "update", "id": "lnk_none", "name": "x"},
        {"op": "upsert", "destination_url": URL},
        b'{"destination_url": "' + b"x" * 70_000 + b'"}',
        {"destination_url": URL, "code": "Fresh1"},
    )
    assert [verdict["line"] for verdict in verdicts] == list(range(1, 10))
    assert [verdict.get("problem", {}).get("type") for verdict in verdicts] == [
        "/problems/malformed-body",
        "/problems/invalid-body",
        "/problems/invalid-body",
        "/problems/invalid-body",
        "/problems/code-taken",
        "/problems/not-found",
        "/problems/invalid-body",
        "/problems/body-too-large",
        None,
    ]
    assert [verdicts[at]["problem"]["errors"][0]["pointer"] for at in (1, 2, 3, 4, 6)] == [
        "#/op",
        "#/op",
        "#/destination_url",
        "#/code",
        "#/external_id",
    ]
    assert verdicts[8]["link"]["code"] == "Fresh1"


async def test_a_thousand_links_are_made_in_order_and_stored_once(api: RunningApi) -> None:
    lines = [{"destination_url": f"{URL}{number}", "name": f"n{number}"} for number in range(1000)]
    verdicts = await bulk(api, *lines)
    assert [verdict["link"]["name"] for verdict in verdicts] == [line["name"] for line in lines]
    ((count, names),) = api.warehouse.query(
        "SELECT count(), uniqExact(name) FROM links FINAL WHERE NOT deleted"
    )
    assert (count, names) == (1000, 1000)
    assert api.outbox.backlog == 0


async def test_an_external_id_has_one_link_however_many_ask_at_once(api: RunningApi) -> None:
    body = {"external_id": "crm-4711", "destination_url": URL}
    answers = await asyncio.gather(*(api.client.put("/v1/links:upsert", json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    listed = (await api.client.get("/v1/links", params={"external_id": "crm-4711"})).json()["data"]
    assert len(listed) == 1
    made = next(answer for answer in answers if answer.status_code == 201)
    assert made.headers["location"] == f"/v1/links/{listed[0]['id']}"


async def test_an_upsert_changes_what_it_names_and_keeps_the_rest(api: RunningApi) -> None:
    first = {"external_id": "a", "destination_url": URL, "code": "Keep1", "name": "one", "tags": ["x"]}
    made = (await api.client.put("/v1/links:upsert", json=first)).json()
    second = {"external_id": "a", "destination_url": f"{URL}new", "name": "two"}
    changed = await api.client.put("/v1/links:upsert", json=second)
    assert changed.status_code == 200
    assert changed.json() == {
        **made,
        "destination_url": f"{URL}new",
        "name": "two",
        "updated_at": changed.json()["updated_at"],
    }
    other = await api.client.put("/v1/links:upsert", json={**second, "code": "Other1"})
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (422, "#/code")
    await api.client.delete(f"/v1/links/{made['id']}")
    again = await api.client.put("/v1/links:upsert", json=second)
    assert again.status_code == 201


async def test_links_are_found_by_what_is_asked(api: RunningApi) -> None:
    await api.make(name="plain", code="Fall1", suffix="cisco")
    await api.make(name="tagged", campaign="fall", tags=["sms", "uk"], destination_url=f"{URL}shop")
    off = await api.make(name="off", device_routes={"ios": "https://apps.example.com/i"})
    await api.client.patch(f"/v1/links/{off['id']}", json={"status": "disabled"})
    for parameters, names in (
        ({"status": "active"}, ["plain", "tagged"]),
        ({"status": "disabled"}, ["off"]),
        ({"q": "example.com/sho"}, ["tagged"]),
        ({"q": "S.EXAMPLE.COM/cisco/fall1"}, ["plain"]),
        ({"q": "apps.example.com"}, ["off"]),
        ({"domain": "S.example.com"}, ["off", "plain", "tagged"]),
        ({"domain": "t.example.com"}, []),
        ({"tag": "sms", "campaign": "fall"}, ["tagged"]),
        ({"q": "' OR 1=1 --"}, []),
    ):
        listed = (await api.client.get("/v1/links", params={**parameters, "sort": "name"})).json()
        assert [link["name"] for link in listed["data"]] == names, parameters


async def test_campaigns_and_tags_are_listed_with_counts(api: RunningApi) -> None:
    for number in range(3):
        await api.make(campaign="fall", tags=["sms", f"t{number}"])
    off = await api.make(campaign="Spring")
    await api.client.patch(f"/v1/links/{off['id']}", json={"status": "disabled"})
    campaigns = (await api.client.get("/v1/campaigns")).json()
    assert campaigns == {
        "data": [
            {"name": "Spring", "links": 1, "active_links": 0},
            {"name": "fall", "links": 3, "active_links": 3},
        ],
        "next_cursor": None,
    }
    first = (await api.client.get("/v1/tags", params={"limit": 2})).json()
    second = (await api.client.get("/v1/tags", params={"cursor": first["next_cursor"]})).json()
    assert [tag["name"] for tag in first["data"] + second["data"]] == ["sms", "t0", "t1", "t2"]
    assert (await api.client.get("/v1/tags", params={"q": "SM"})).json()["data"][0]["links"] == 3
