"""The OpenAPI document and its page, complete and without the internet."""

import json
import re
from collections.abc import Iterator
from typing import Any

from api.app import build_routes
from api.openapi import DOCUMENT, VENDOR_SHAPE, openapi_document, operations
from tests.api.conftest import RunningApi


async def test_every_operation_tells_its_problems_and_its_keys(api: RunningApi) -> None:
    document = (await api.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1.")
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert operations
    for operation in operations:
        assert operation["security"] == [{"bearer": []}, {"key": []}]
        vendors = VENDOR_SHAPE in operation
        assert {"401", "500" if vendors else "503"} <= set(operation["responses"])
        media_type = "application/json" if vendors else "application/problem+json"
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == [media_type]


def test_the_committed_document_is_that_of_the_code() -> None:
    committed = json.loads(DOCUMENT.read_text("utf-8"))
    assert committed == openapi_document(build_routes()), "write it anew: make openapi"


def test_every_operation_has_an_id_of_its_own_and_an_example_of_its_body() -> None:
    found = list(operations(openapi_document(build_routes())))
    ids = [operation["operationId"] for _, _, operation in found]
    assert len(set(ids)) == len(ids)
    for path, method, operation in found:
        assert operation["summary"], (method, path)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert "example" in content, (method, path)


async def test_every_reference_leads_somewhere(api: RunningApi) -> None:
    document = (await api.client.get("/openapi.json")).json()
    references = set(_references(document))
    assert references
    for reference in references:
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


async def test_what_can_not_be_changed_is_not_offered(api: RunningApi) -> None:
    schemas = (await api.client.get("/openapi.json")).json()["components"]["schemas"]
    assert not {"code", "domain", "suffix"} & set(schemas["LinkPatch"]["properties"])
    assert schemas["NewLink"]["required"] == ["destination_url"]


async def test_the_page_and_all_it_loads_come_from_here(api: RunningApi) -> None:
    page = (await api.client.get("/docs")).text
    loaded = re.findall(r'(?:href|src)="([^"]+)"', page)
    assert len(loaded) == 3
    assert "//" not in "".join(loaded)
    for path in loaded:
        assert (await api.client.get(path)).status_code == 200
    start = await api.client.get("/")
    assert (start.status_code, start.headers["location"]) == (307, "/docs")


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
