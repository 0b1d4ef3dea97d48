"""Whatever comes in, the answer is a problem that says what to do, and never a 5xx."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.http_protocol import MAX_HEAD_BYTES
from tests.api.conftest import DOMAIN, RunningApi

GOOD = {"destination_url": "https://www.example.com/"}
JSON = {"Content-Type": "application/json"}


def assert_problem(answer: Any, status: int, name: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"/problems/{name}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


NO_JSON = [
    (b"{nope", "line 1, column 2"),
    (b'{\n "destination_url": tru}', "line 2"),
    (b'{"destination_url": NaN}', "line 1, column 21"),
    (b'{"name": "\\ud800", "destination_url": "https://www.example.com/"}', "line 1"),
    (b'{"name": "\xff"}', "line 1"),
    (b"[" * 100_000, "line 1"),
    (b'{"a":' * 100_000, "line 1"),
    (b"\x00", "line 1"),
    (b" ", "line 1"),
]


async def test_what_is_no_json_is_refused_with_its_place(api: RunningApi, subtests: pytest.Subtests) -> None:
    for body, place in NO_JSON:
        with subtests.test(body=body[:40]):
            answer = await api.client.post("/v1/links", content=body, headers=JSON)
            assert place in assert_problem(answer, 400, "malformed-body")["detail"]


BAD_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"destination_url": 5}, "#/destination_url", "string"),
    ({"destination_url": None}, "#/destination_url", "string"),
    ({"destination_url": "javascript:alert(1)"}, "#/destination_url", "http:// or https://"),
    ({"destination_url": "data:text/html,x"}, "#/destination_url", "http:// or https://"),
    ({"destination_url": "ftp://example.com/"}, "#/destination_url", "http:// or https://"),
    ({"destination_url": "//example.com/"}, "#/destination_url", "http:// or https://"),
    ({"destination_url": "https://"}, "#/destination_url", "host"),
    ({"destination_url": "https://x@evil.example/"}, "#/destination_url", "@"),
    ({"destination_url": "https://example.com/\r\nX: y"}, "#/destination_url", "control characters"),
    ({"destination_url": "https://example.com/\x00"}, "#/destination_url", "control characters"),
    ({"destination_url": "https://example.com/a b"}, "#/destination_url", "percent-encode"),
    ({"destination_url": "https:\\\\example.com"}, "#/destination_url", "backslashes"),
    ({"destination_url": "https://example.com/" + "x" * 10_240}, "#/destination_url", "4,096"),
    ({"destination_url": "https://example.com/" + "é" * 2_000}, "#/destination_url", "4,096"),
    ({"destination_url": f"https://{DOMAIN}/abcd"}, "#/destination_url", "loop"),
    ({"expired_url": f"http://{DOMAIN}:80/"}, "#/expired_url", "loop"),
    ({"device_routes": {"ios": "myapp://open"}}, "#/device_routes/ios", "http:// or https://"),
    ({"device_routes": {"android": f"https://{DOMAIN.upper()}./x"}}, "#/device_routes/android", "loop"),
    ({"device_routes": {"windows": "https://example.com"}}, "#/device_routes/windows", "known field"),
    ({"device_routes": []}, "#/device_routes", "object"),
    ({"code": "abc"}, "#/code", "4 to 12"),
    ({"code": "abcdefghijklm"}, "#/code", "4 to 12"),
    ({"code": "ab-d"}, "#/code", "4 to 12"),
    ({"code": "äbcd"}, "#/code", "4 to 12"),
    ({"suffix": "/x"}, "#/suffix", "1 to 4 parts"),
    ({"suffix": "a/../b"}, "#/suffix", "1 to 4 parts"),
    ({"domain": "unknown.example.com"}, "#/domain", DOMAIN),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at", "past"),
    ({"expires_at": "2099-01-01T00:00:00"}, "#/expires_at", "offset"),
    ({"expires_at": 4_000_000_000}, "#/expires_at", "RFC 3339"),
    ({"expires_at": "9999-12-31T23:59:59-23:59"}, "#/expires_at", "2299"),
    ({"expires_at": "2099-02-30T00:00:00Z"}, "#/expires_at", ""),
    ({"name": "x" * 201}, "#/name", "200"),
    ({"name": "\x00"}, "#/name", "Control characters"),
    ({"tags": ["t"] * 51}, "#/tags", "50"),
    ({"tags": ["t" * 101]}, "#/tags/0", "100"),
    ({"tags": "t"}, "#/tags", "array"),
    ({"campaign": "c" * 101}, "#/campaign", "100"),
    ({"external_id": " x "}, "#/external_id", "spaces"),
    ({"forward_query": "yes"}, "#/forward_query", "true or false"),
    ({"destinationUrl": "https://example.com"}, "#/destinationUrl", "known field"),
    ({"a/b~c": 1}, "#/a~1b~0c", "known field"),
]


async def test_a_field_that_does_not_fit_is_named(api: RunningApi, subtests: pytest.Subtests) -> None:
    for fields, pointer, advice in BAD_FIELDS:
        with subtests.test(fields=str(fields)[:60]):
            answer = await api.client.post("/v1/links", json={**GOOD, **fields})
            (flaw,) = assert_problem(answer, 422, "invalid-body")["errors"]
            assert flaw["pointer"] == pointer
            assert advice in flaw["detail"]


async def test_a_missing_destination_is_named(api: RunningApi) -> None:
    problem = assert_problem(await api.client.post("/v1/links", json={}), 422, "invalid-body")
    assert problem["errors"] == [{"pointer": "#/destination_url", "detail": "Required, but missing"}]


async def test_a_body_that_is_no_object_is_refused(api: RunningApi) -> None:
    for body in ([], "x", 5, None, True):
        answer = await api.client.post("/v1/links", content=json.dumps(body).encode(), headers=JSON)
        assert_problem(answer, 422, "invalid-body")


async def test_a_body_over_its_limit_is_refused_before_it_is_read(api: RunningApi) -> None:
    assert_problem(
        await api.client.post("/v1/links", content=b" " * (1024 * 1024 + 1), headers=JSON),
        413,
        "body-too-large",
    )

    async def endless() -> Any:
        for _ in range(64):
            yield b" " * 32_768

    assert_problem(await api.client.post("/v1/links", content=endless(), headers=JSON), 413, "body-too-large")


async def test_another_media_type_is_refused(api: RunningApi) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "", "application/xml"):
        answer = await api.client.post("/v1/links", content=b"{}", headers={"Content-Type": media_type})
        assert "application/json" in assert_problem(answer, 415, "unsupported-media-type")["detail"]


async def test_a_problems_type_leads_to_its_meaning(api: RunningApi) -> None:
    problem = assert_problem(await api.client.get("/nothing"), 404, "not-found")
    meaning = await api.client.get(problem["type"])
    assert meaning.json() == {name: problem[name] for name in ("type", "title", "status")}
    assert_problem(await api.client.get("/problems/none"), 404, "not-found")


async def test_the_frameworks_own_errors_are_problems(api: RunningApi) -> None:
    assert_problem(await api.client.get("/nothing"), 404, "not-found")
    assert_problem(await api.client.get("/v1/links/"), 404, "not-found")
    answer = await api.client.put("/v1/links")
    assert_problem(answer, 405, "method-not-allowed")
    assert "GET" in answer.headers["allow"]
    assert_problem(await api.client.get("/v1/links/%00%ff"), 404, "not-found")


BAD_PARAMETERS = [
    ("limit=0", "limit"),
    ("limit=x", "limit"),
    ("limit=201", "limit"),
    ("sort=colour", "sort"),
    ("status=gone", "status"),
    ("cursor=%00", "cursor"),
    ("cursor=WzFd", "cursor"),
    ("q=" + "x" * 201, "q"),
]


async def test_a_parameter_that_does_not_fit_is_named(api: RunningApi, subtests: pytest.Subtests) -> None:
    for query, parameter in BAD_PARAMETERS:
        with subtests.test(query=query[:40]):
            problem = assert_problem(await api.client.get(f"/v1/links?{query}"), 422, "invalid-parameters")
            assert problem["errors"][0]["parameter"] == parameter


async def test_odd_text_in_a_search_is_searched_for(api: RunningApi) -> None:
    for text in ("\x00", "%", "'; DROP TABLE links --", "\\", "{q:String}", "é\u202e", "\n\t"):
        answer = await api.client.get("/v1/links", params={"q": text, "campaign": text, "tag": text})
        assert (answer.status_code, answer.json()["data"]) == (200, [])


async def test_what_is_no_http_is_answered_with_a_problem(api: RunningApi) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"NONSENSE\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


async def test_headers_without_end_are_refused_before_they_take_memory(api: RunningApi) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /v1/links HTTP/1.1\r\nHost: x\r\nX-Endless: ")
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 100 * MAX_HEAD_BYTES:
            writer.write(b"x" * 10_000)
            await writer.drain()
            sent += 10_000
    assert sent < 100 * MAX_HEAD_BYTES
    with contextlib.suppress(ConnectionError):
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
    writer.close()
    usual = {"X-Long": "x" * (MAX_HEAD_BYTES // 2)}
    assert (await api.client.get("/v1/links", headers=usual)).status_code == 200


async def test_a_head_that_does_not_end_in_time_ends_the_connection(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.http_protocol.HEAD_WITHIN_S", 0.2)
    host, port = api.url.removeprefix("http://").split(":")
    for head in (b"", b"GET /v1/links HTTP/1.1\r\nHost: x\r\n"):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head)
        assert await reader.read() == b""
        writer.close()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
near_bodies = st.fixed_dictionaries(
    {"destination_url": st.sampled_from(["https://www.example.com/", "http://[::1"]) | json_values},
    optional={
        "name": json_values,
        "code": st.text("abcXYZ019", min_size=3, max_size=13) | json_values,
        "domain": json_values,
        "suffix": st.text("ab/_-", max_size=9) | json_values,
        "device_routes": st.fixed_dictionaries({}, optional={"ios": json_values, "android": json_values})
        | json_values,
        "expires_at": st.datetimes().map(lambda instant: instant.isoformat() + "Z") | json_values,
        "expired_url": st.text().map(lambda rest: f"https://example.com/{rest}") | json_values,
        "tags": json_values,
        "campaign": json_values,
        "forward_query": json_values,
    },
)


@settings(max_examples=150)
@given(body=json_values | near_bodies)
async def test_any_json_makes_a_link_or_a_problem(api: RunningApi, body: object) -> None:
    answer = await api.client.post("/v1/links", content=json.dumps(body).encode("ascii"), headers=JSON)
    if answer.status_code != 201:
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
