"""Every call of the OpenAPI document, ready to be made: paths with real ids, bodies with their examples.

A new kind of path parameter needs a maker here, else the tests that walk all calls say so.
"""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from api.access.scopes import scopes_for
from api.app import build_routes
from api.openapi import VENDOR_SHAPE, openapi_document, operations

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Call:
    """One operation. `path` has its parameters in braces; `content_type` None means that there is no body."""

    method: str
    path: str
    content_type: str | None
    example: Any
    query: dict[str, Any]
    is_in_vendors_shape: bool = False

    @property
    def parameters(self) -> list[str]:
        return [part.split("}")[0] for part in self.path.split("{")[1:]]

    @property
    def is_system(self) -> bool:
        return scopes_for(self.method, self.path) == {"system"}

    def request(self, url: str, values: dict[str, str], headers: dict[str, str]) -> httpx.Request:
        path = self.path
        for name, value in values.items():
            path = path.replace(f"{{{name}}}", value)
        body: dict[str, Any] = {}
        if isinstance(self.example, str):
            body = {"content": self.example.encode(), "headers": {"Content-Type": self.content_type or ""}}
        elif self.content_type is not None:
            body = {"json": self.example}
        own = body.pop("headers", {})
        return httpx.Request(
            self.method, url + path, params=self.query or None, headers={**headers, **own}, **body
        )


def all_calls() -> list[Call]:
    """One for each operation, with the first kind of body that it takes."""
    document = openapi_document(build_routes())
    calls = []
    for path, method, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        content_type, media = next(iter(content.items()), (None, {}))
        query = {name: value for name, value in _query(operation) if value is not None}
        calls.append(
            Call(method.upper(), path, content_type, media.get("example"), query, VENDOR_SHAPE in operation)
        )
    return calls


def _query(operation: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The parameters that must be given, by their examples."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query" and parameter.get("required"):
            schema = parameter["schema"]
            given = [*schema.get("examples", ()), *schema.get("enum", ()), schema.get("default")]
            yield parameter["name"], parameter.get("example", given[0])


async def _make(client: httpx.AsyncClient, path: str, body: dict[str, Any], field: str = "id") -> str:
    answer = await client.post(path, json=body)
    assert answer.status_code in {201, 202}, answer.text
    return str(answer.json()[field])


async def _message(client: httpx.AsyncClient) -> str:
    body = {"from": "12233", "to": "+447700900123", "content": "Hello"}
    answer = await client.post("/v1/sms/messages", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["messages"][0]["id"])


Maker = Callable[[httpx.AsyncClient], Awaitable[str]]


async def _known(value: str) -> str:
    return value


MAKERS: dict[str, Maker] = {
    "link_id": lambda client: _make(client, "/v1/links", {"destination_url": "https://www.example.com/"}),
    "host": lambda client: _make(client, "/v1/domains", {"host": f"d{next(_numbers)}.example.com"}, "host"),
    "key_id": lambda client: _make(client, "/v1/keys", {"name": "Walk"}),
    "tenant_id": lambda client: _make(client, "/v1/tenants", {"id": f"tenant-{next(_numbers)}"}),
    "template_id": lambda client: _make(client, "/v1/sms/templates", {"content": "Hello"}),
    "message_id": _message,
    "webhook_id": lambda client: _make(
        client, "/v1/webhooks", {"url": "https://hooks.example.com/", "events": ["link.created"]}
    ),
    "delivery_id": lambda _: _known("dlv_never_was"),  # deliveries come from clicks alone
    "campaign": lambda _: _known("spring-2026"),
    "recipient": lambda _: _known("+447700900123"),
    "reclassification_id": lambda client: _make(
        client, "/v1/reclassifications", {"since": "2026-01-01T00:00:00Z"}
    ),
}


async def make_values(call: Call, client: httpx.AsyncClient) -> dict[str, str]:
    """A real value for each of the call's path parameters, made by this client's tenant."""
    values = {}
    for name in call.parameters:
        if name not in MAKERS:
            pytest.fail(f"{call.method} {call.path}: tests/api/calls.py has no maker for {name}")
        values[name] = await MAKERS[name](client)
    return values
