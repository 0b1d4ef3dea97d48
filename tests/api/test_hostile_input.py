"""SQL, templates and paths in every string of every call, and bodies that no client means."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from api.app import build_routes
from api.openapi import openapi_document, operations
from tests.api.calls import Call, all_calls, make_values
from tests.api.conftest import OTHER_KEY, RunningApi

PAYLOADS: Final = (
    "' OR '1'='1",
    "') OR 1=1 --",
    "'; DROP TABLE clicks; --",
    "' UNION ALL SELECT document FROM links --",
    "\\' OR sleep(3) = 0 --",
    "{tenant:String}%(tenant)s%s{0.__class__}${1337*1337}{{1337*1337}}",
    "../../../../etc/passwd",
    "\x00\r\nSet-Cookie: a=b",
    "%_\\%",
)
# What only an engine, a template or a file of this machine would say.
LEAKS: Final = (
    "clickhouse", "chdb", "exception", "syntax", "traceback", "wrongtype", "site-packages", "root:x:",
    "1787569", "hisper",
)  # fmt: skip
BODIES: Final = (
    b"", b"null", b"[]", b'""', b"[null]", b"[[[[{}]]]]", b"[{}, 1, null]", b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 5_000, b"1e999", b"9" * 5_000, b"NaN", b'"\\u0000"', b'"\\ud800"', b'{"\\u0000": 1}',
    b'{"\\udfff": "\\ud800"}', b"\xff\xfe\x00{", b"\x00" * 64,
)  # fmt: skip
ODD_VALUES: Final[tuple[object, ...]] = (
    None, [], {}, [[{}]], True, -1, 10**18, 1e300, "", "\x00", PAYLOADS[0], PAYLOADS[5], "x" * 70_000
)  # fmt: skip
ODD_VALUES_A_FIELD: Final = 4


@pytest.fixture
async def stranger(api: RunningApi) -> AsyncIterator[httpx.AsyncClient]:
    """Another tenant's client, beside a link that it must not see."""
    await api.make(name="Whisper", campaign="Whisper", tags=["whisper"], external_id="whisper")
    async with httpx.AsyncClient(base_url=api.url, headers={"Key": OTHER_KEY}, timeout=180) as client:
        yield client


def assert_harmless(answer: httpx.Response, sent: str = "") -> None:
    told = answer.text
    for echo in (sent, json.dumps(sent, ensure_ascii=False)[1:-1], quote(sent, safe="")):
        told = told.replace(echo, "") if echo else told
    assert answer.status_code < 500, answer.text
    assert not [leak for leak in LEAKS if leak in told.lower()], answer.text
    assert not answer.cookies


async def test_payloads_in_every_parameter_find_and_tell_nothing(
    api: RunningApi, stranger: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    calls = {(call.method, call.path): call for call in all_calls()}
    reached = 0
    for path, method, operation in operations(openapi_document(build_routes())):
        call = calls[method.upper(), path]
        client = api.client if call.is_system else stranger
        values = await make_values(call, client)
        free, bound = _query_names(operation)
        with subtests.test(call=f"{call.method} {path}"):
            for name in (*free, *bound):
                for payload in PAYLOADS if name in free else PAYLOADS[:1]:
                    query = {**call.query, name: payload}
                    answer = await _send(call, client, api.url, values, query)
                    assert_harmless(answer, payload)
                    reached += name in free and answer.is_success
            for name in call.parameters:
                for payload in PAYLOADS:
                    hostile = {**values, name: quote(payload, safe="")}
                    assert_harmless(await _send(call, client, api.url, hostile, call.query), payload)
    assert reached >= 150  # looked for by the engine, not only refused before it
    assert (await api.client.get("/v1/links", params={"q": "Whisper"})).json()["data"]


async def test_bodies_that_nobody_means_get_a_documented_answer(
    api: RunningApi, subtests: pytest.Subtests
) -> None:
    calls = {(call.method, call.path): call for call in all_calls()}
    for path, method, operation in operations(openapi_document(build_routes())):
        call = calls[method.upper(), path]
        if call.content_type is None:
            continue
        values = await make_values(call, api.client)
        url = _path(call, values)
        with subtests.test(call=f"{call.method} {path}"):
            for body in (*BODIES, *_with_odd_fields(call.example)):
                answer = await api.client.request(
                    call.method,
                    url,
                    content=body,
                    headers={"Content-Type": call.content_type},
                    params=call.query,
                )
                assert str(answer.status_code) in operation["responses"], (body[:200], answer.text)
                assert_harmless(answer, PAYLOADS[5])


def _query_names(operation: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The query parameters that take any text, and the others."""
    free: list[str] = []
    bound: list[str] = []
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        kinds = schema.get("anyOf", [schema])
        is_free = any(
            kind.get("type") == "string" and not {"enum", "const", "format", "pattern"} & {*kind, *schema}
            for kind in kinds
        )
        if parameter["in"] == "query":
            (free if is_free and parameter["name"] != "cursor" else bound).append(parameter["name"])
    return free, bound


async def _send(
    call: Call, client: httpx.AsyncClient, url: str, values: dict[str, str], query: dict[str, Any]
) -> httpx.Response:
    request = call.request(url, values, dict(client.headers))
    request.url = request.url.copy_with(params=query) if query else request.url
    return await client.send(request)


def _path(call: Call, values: dict[str, str]) -> str:
    path = call.path
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def _with_odd_fields(example: Any) -> list[bytes]:
    """The example with each of its fields odd; which values a field gets goes round."""
    if not isinstance(example, dict):
        return []
    bodies = []
    for at, name in enumerate(example):
        for turn in range(ODD_VALUES_A_FIELD):
            odd = ODD_VALUES[(at * ODD_VALUES_A_FIELD + turn) % len(ODD_VALUES)]
            bodies.append(json.dumps({**example, name: odd}).encode())
    return bodies
