"""What holds for every call: request ids, idempotency keys, limits, headers, the audit log."""

import asyncio
import json
import uuid

import httpx
import pytest

from api.conventions.time_limits import TimeLimits
from api.problem_pages import problem_page
from api.problems import PROBLEM_TYPES
from edge.contract import Settings
from tests.api.conftest import OTHER_KEY, RunningApi, StartApi
from tests.api.test_bad_input import assert_problem
from tests.fixtures.redis import RedisServer

GOOD = {"destination_url": "https://www.example.com/"}


def fresh() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid.uuid4()}"'}


async def test_the_same_key_and_request_get_the_same_answer_once(api: RunningApi) -> None:
    headers = fresh()
    first = await api.client.post("/v1/links", json=GOOD, headers=headers)
    second = await api.client.post("/v1/links", json=GOOD, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert (second.content, second.headers["location"]) == (first.content, first.headers["location"])
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert len((await api.client.get("/v1/links")).json()["data"]) == 1


async def test_another_request_with_the_key_is_a_422_and_another_tenants_is_its_own(api: RunningApi) -> None:
    headers = fresh()
    await api.client.post("/v1/links", json=GOOD, headers=headers)
    other = await api.client.post("/v1/links", json={**GOOD, "name": "x"}, headers=headers)
    assert_problem(other, 422, "idempotency-key-reused")
    own = {**headers, "Authorization": f"Bearer {OTHER_KEY}"}
    assert (await api.client.post("/v1/links", json={**GOOD, "name": "x"}, headers=own)).status_code == 201


async def test_while_the_first_is_under_way_the_second_is_a_409(api: RunningApi) -> None:
    headers = fresh()
    answers = await asyncio.gather(
        *(api.client.post("/v1/links", json=GOOD, headers=headers) for _ in range(8))
    )
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert len((await api.client.get("/v1/links")).json()["data"]) == 1


async def test_a_key_that_is_none_is_a_400(api: RunningApi) -> None:
    for key in ("two words", "one,two", '""', '"a', f'"{"x" * 256}"', "x" * 256):
        answer = await api.client.post("/v1/links", json=GOOD, headers={"Idempotency-Key": key})
        assert_problem(answer, 400, "idempotency-key-invalid")
    stream = {**fresh(), "Content-Type": "application/x-ndjson"}
    answer = await api.client.post("/v1/links:bulk", content=b"{}\n", headers=stream)
    assert_problem(answer, 400, "idempotency-key-invalid")


async def test_a_key_is_the_same_with_quotes_and_without(api: RunningApi) -> None:
    bare, quoted = [
        await api.client.post("/v1/links", json=GOOD, headers={"Idempotency-Key": key})
        for key in ("order-1", '"order-1"')
    ]
    assert (bare.status_code, bare.json()) == (201, quoted.json())


async def test_what_failed_may_be_tried_again_with_the_same_key(api: RunningApi) -> None:
    headers = fresh()
    assert (await api.client.post("/v1/links", json={}, headers=headers)).status_code == 422
    assert (await api.client.post("/v1/links", json=GOOD, headers=headers)).status_code == 201


async def test_no_secret_and_no_number_is_readable_in_redis(
    api: RunningApi, redis_server: RedisServer
) -> None:
    made = await api.client.post("/v1/keys", json={}, headers=fresh())
    link = await api.make()
    await api.client.post(
        f"/v1/links/{link['id']}/recipients",
        json={"recipients": [{"recipient": "+447700900123"}]},
        headers=fresh(),
    )
    kept = [await api.shared_state._redis.get(key) for key in await api.shared_state._redis.keys("idem*")]
    assert len(kept) == 2
    for value in kept:
        assert made.json()["key"].encode() not in value
        assert b"447700900123" not in value


async def test_a_request_id_is_taken_over_or_made_and_stands_in_problems(api: RunningApi) -> None:
    answer = await api.client.get("/v1/links/none", headers={"X-Request-Id": "abc-123"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "abc-123"
    for bad in ("a b", "x" * 129, "<script>"):
        answer = await api.client.get("/v1/links/none", headers={"X-Request-Id": bad})
        assert answer.headers["x-request-id"].startswith("req_")


async def test_headers_keep_browsers_careful_and_cors_is_off(api: RunningApi) -> None:
    for path in ("/v1/links", "/docs", "/problems", "/nothing"):
        answer = await api.client.get(path, headers={"Origin": "https://app.example.com"})
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers
    assert (await api.client.get("/v1/links")).headers["cache-control"] == "no-store"


async def test_cors_is_on_for_the_origins_that_are_set(settings: Settings, start_api: StartApi) -> None:
    object.__setattr__(settings, "cors_origins", ("https://app.example.com",))
    api = await start_api()
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with httpx.AsyncClient(base_url=api.url, timeout=180) as client:
        allowed = await client.options("/v1/links", headers={"Origin": "https://app.example.com", **asked})
        refused = await client.options("/v1/links", headers={"Origin": "https://evil.example.com", **asked})
    assert allowed.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "access-control-allow-origin" not in refused.headers


def test_every_kind_of_problem_has_a_page() -> None:
    for type_ in PROBLEM_TYPES:
        page = bytes(problem_page(type_).body).decode()
        assert type_.uri in page
        assert "<h1>" in page


async def test_people_get_a_page_and_programs_json(api: RunningApi) -> None:
    page = await api.client.get("/problems/not-found", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert (await api.client.get("/problems/not-found")).json()["status"] == 404


@pytest.mark.parametrize(("body_pauses", "status"), [(True, 408), (False, 503)])
async def test_what_does_not_come_in_time_is_answered(body_pauses: bool, status: int) -> None:  # noqa: FBT001 - a parameter
    never = asyncio.Event()
    sent = []

    async def app(_scope: object, receive: object, _send: object) -> None:
        await receive()  # type: ignore[operator]  # an ASGI callable
        await never.wait()

    async def receive() -> dict[str, object]:
        if body_pauses:
            await never.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    limits = TimeLimits(app, body_pause_s=0.01, answer_s=0.2)  # type: ignore[arg-type]  # as above
    await limits({"type": "http", "method": "POST", "path": "/v1/x"}, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == status
    never.set()


async def test_every_change_is_in_the_audit_log_with_who_and_from_where(api: RunningApi) -> None:
    made = (await api.client.post("/v1/keys", json={"name": "A"})).json()
    await api.client.patch(f"/v1/keys/{made['id']}", json={"name": "B"}, headers={"X-Request-Id": "find-me"})
    await api.client.delete(f"/v1/keys/{made['id']}")
    await api.client.post("/v1/keys", json={"name": 5})  # refused: no change
    records = (await api.client.get("/v1/audit")).json()["data"]
    assert [record["method"] for record in records] == ["DELETE", "PATCH", "POST"]
    changed = records[1]
    assert changed["actor"] == {"kind": "key", "id": "admin"}
    assert (changed["address"], changed["request_id"]) == ("127.0.0.1", "find-me")
    assert changed["route"] == "/v1/keys/{key_id}"
    (digest,) = changed["changes"]
    assert (digest["kind"], digest["id"]) == ("key", made["id"])
    (first,) = records[2]["changes"]
    assert (first["before"], first["after"]) == (None, digest["before"])
    assert digest["after"] != digest["before"]
    assert made["key"] not in json.dumps(records)


@pytest.mark.parametrize(
    ("path", "body", "patch"),
    [
        ("/v1/domains", {"host": "go.example.com"}, {"not_found_url": "https://www.example.com/"}),
        ("/v1/sms/templates", {"content": "Hello"}, {"content": "Good day"}),
        (
            "/v1/webhooks",
            {"url": "https://hooks.example.com/", "events": ["link.created"]},
            {"enabled": False},
        ),
        ("/v1/links", {"destination_url": "https://www.example.com/"}, {"name": "B"}),
    ],
)
async def test_each_change_has_the_digests_of_what_it_made_of_what(
    api: RunningApi, path: str, body: dict[str, object], patch: dict[str, object]
) -> None:
    made = (await api.client.post(path, json=body)).json()
    name = made["host"] if path == "/v1/domains" else made["id"]
    await api.client.patch(f"{path}/{name}", json=patch)
    await api.client.delete(f"{path}/{name}")
    records = (await api.client.get("/v1/audit")).json()["data"]
    (deleted,), (changed,), (first,) = (record["changes"] for record in records)
    assert (first["before"], deleted["after"]) == (None, None)
    assert (first["after"], changed["after"]) == (changed["before"], deleted["before"])
    assert changed["before"] != changed["after"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/v1/recipients/%2B447700900123", None),
        ("POST", "/v1/reclassifications", {"since": "2026-01-01T00:00:00Z"}),
        ("POST", "/v1/dead-letters:discard", {"origins": ["1:1"]}),
        ("POST", "/v1/dead-letters:replay", {}),
    ],
)
async def test_work_that_is_asked_for_has_a_digest_too(
    api: RunningApi, method: str, path: str, body: object
) -> None:
    answer = await api.client.request(method, path, json=body)
    assert answer.is_success, answer.text
    (record,) = (await api.client.get("/v1/audit")).json()["data"]
    (change,) = record["changes"]
    assert change["before"] or change["after"]


async def test_the_audit_log_has_pages_and_is_each_tenants_own(api: RunningApi) -> None:
    for _ in range(5):
        await api.make()
    seen: list[str] = []
    cursor = None
    while True:
        page = (
            await api.client.get("/v1/audit", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        ).json()
        seen += [record["id"] for record in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 5
    other = await api.client.get("/v1/audit", headers={"Authorization": f"Bearer {OTHER_KEY}"})
    assert other.json()["data"] == []
    assert_problem(await api.client.get("/v1/audit?cursor=x"), 422, "invalid-parameters")


async def test_what_a_dead_process_left_is_stored_by_the_next(api: RunningApi, start_api: StartApi) -> None:
    await api.make()
    (left,) = (api.settings.data_dir / "audit").iterdir()
    torn = left.read_bytes() + b'{"torn'
    (api.settings.data_dir / "audit" / "dead.audit.ndjson").write_bytes(
        torn.replace(b'"id":"aud_', b'"id":"aud_x')
    )
    successor = await start_api()
    assert len((await successor.client.get("/v1/audit")).json()["data"]) >= 1
    assert not (api.settings.data_dir / "audit" / "dead.audit.ndjson").exists()


async def test_a_failure_to_audit_is_seen_and_refuses_further_changes(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    await api.make()
    with monkeypatch.context() as patch:
        patch.setattr("api.audit.log.os.write", full)
        await api.client.post("/v1/keys", json={"name": "Unseen"})
        assert api.audit_log.failures == 1
        assert "AUDIT FAILED" in caplog.text
        assert_problem(await api.client.post("/v1/links", json=GOOD), 503, "unavailable")
        assert (await api.client.get("/v1/links")).status_code == 200
    assert (await api.client.post("/v1/links", json=GOOD)).status_code == 201


async def test_a_change_meant_for_another_version_is_a_412(api: RunningApi) -> None:
    made = await api.client.post("/v1/links", json=GOOD)
    path = made.headers["location"]
    tag = (await api.client.get(path)).headers["etag"]
    assert made.headers["etag"] == tag
    changed = await api.client.patch(path, json={"name": "A"}, headers={"If-Match": tag})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    for headers in ({"If-Match": tag}, {"If-Match": f'W/"2", {tag}'}):
        refused = await api.client.patch(path, json={"name": "B"}, headers=headers)
        assert_problem(refused, 412, "precondition-failed")
        assert_problem(await api.client.delete(path, headers=headers), 412, "precondition-failed")
    assert (await api.client.patch(path, json={"name": "C"}, headers={"If-Match": "*"})).status_code == 200
    assert (await api.client.delete(path, headers={"If-Match": f'{tag}, "3"'})).status_code == 204
