"""The OpenAPI document: FastAPI's, with what holds for every call added once.

Each JSON body has an example, made of its fields' examples; calls that make a thing link to those on that
thing. `python -m api.openapi` writes it to `docs/openapi.json`, which the tests compare with the code.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.conventions.query_parameters import EXTRA_PARAMETERS
from api.errors import ProblemDocument, document_problems
from api.examples import example_of
from api.messages.models import NewMessages
from api.models import NewRecipients
from api.ndjson import NDJSON_TYPES
from api.problems import (
    ADDRESS_NOT_ALLOWED,
    FORBIDDEN,
    IDEMPOTENCY_KEY_IN_USE,
    IDEMPOTENCY_KEY_INVALID,
    IDEMPOTENCY_KEY_REUSED,
    INVALID_PARAMETERS,
    QUOTA_EXCEEDED,
    REQUEST_TIMEOUT,
    TENANT_SUSPENDED,
    TOO_SLOW,
    UNAUTHORIZED,
    UNAVAILABLE,
    ProblemType,
)

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "openapi.json"

_REF_TEMPLATE: Final = "#/components/schemas/{model}"
# Their routes take more than one media type, and name these by `$ref` in `openapi_extra`.
_BODIES_READ_BY_ROUTES: Final[tuple[type[BaseModel], ...]] = (NewRecipients, NewMessages)
VENDOR_SHAPE: Final = "x-vendor-shape"
"""Marks operations whose errors are in a vendor's shape."""

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_EVERY_CALL: Final = (
    UNAUTHORIZED, FORBIDDEN, ADDRESS_NOT_ALLOWED, TENANT_SUSPENDED, QUOTA_EXCEEDED, UNAVAILABLE, TOO_SLOW
)  # fmt: skip
_EVERY_POST: Final = (IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_KEY_IN_USE, IDEMPOTENCY_KEY_REUSED)
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "One for each request: sent again with it within 24 hours, the request gets the same"
    " answer and nothing is done twice. Not for streams of lines",
    "schema": {
        "type": "string",
        "pattern": r'^("[\x20-\x21\x23-\x5b\x5d-\x7e]{1,255}"|[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,255})$',
    },
    "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
}
_HEADERS: Final = {
    "X-Request-Id": {
        "description": "Of this request; the one that was sent, or a fresh one",
        "schema": {"type": "string"},
    }
}


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The app's document; worked out once an app."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        _, ours = models_json_schema(
            [(ProblemDocument, "serialization"), *((body, "validation") for body in _BODIES_READ_BY_ROUTES)],
            ref_template=_REF_TEMPLATE,
        )
        schemas.update(ours["$defs"])
        for schema in schemas.values():
            _constrain_names(schema)
        for _, method, operation in operations(document):
            _complete(operation, method, schemas)
        _link(document)
        app.openapi_schema = document
    return app.openapi_schema


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method in lower case, and operation."""
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, method, methods[method]


def _complete(operation: dict[str, Any], method: str, schemas: dict[str, Any]) -> None:
    responses = operation["responses"]
    if responses.get("422", {}).get("description") == "Validation Error":
        del responses["422"]
    types = [*_EVERY_CALL, *(_EVERY_POST if method == "post" else ())]
    if EXTRA_PARAMETERS not in operation:
        types.append(INVALID_PARAMETERS)
    if "requestBody" in operation:
        types.append(REQUEST_TIMEOUT)
        if NDJSON_TYPES[0] in operation["requestBody"]["content"] and "200" in responses:
            lines = {"schema": {"type": "string", "description": "A line for each line of the body"}}
            responses["200"].setdefault("content", {})[NDJSON_TYPES[0]] = lines
        for content in operation["requestBody"]["content"].values():
            if "example" not in content and "examples" not in content:
                content["example"] = example_of(content["schema"], schemas)
    if method == "post" and set(operation.get("requestBody", {}).get("content", ())) != {NDJSON_TYPES[0]}:
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    if VENDOR_SHAPE not in operation:  # else it documents its errors itself
        _add_problems(responses, types)
    for response in responses.values():
        response.setdefault("headers", {}).update(_HEADERS)


def _constrain_names(schema: Any) -> None:
    """Pydantic writes names that must fit as `patternProperties`, which says nothing of those that don't."""
    if isinstance(schema, dict):
        patterns = schema.get("patternProperties")
        if isinstance(patterns, dict) and len(patterns) == 1:
            ((pattern, values),) = schema.pop("patternProperties").items()
            schema["additionalProperties"] = values
            schema.setdefault("propertyNames", {})["pattern"] = pattern
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            _constrain_names(inner)


def _add_problems(responses: dict[str, Any], types: Sequence[ProblemType]) -> None:
    for status, response in document_problems(*types).items():
        known = responses.setdefault(str(status), response)
        if known is not response:
            known["description"] = "; ".join(
                dict.fromkeys([*known["description"].split("; "), *response["description"].split("; ")])
            )


def _link(document: dict[str, Any]) -> None:
    """From each call that makes a thing to every call on that thing."""
    for path, method, operation in operations(document):
        made = operation["responses"].get("201") if method == "post" else None
        if made is None:
            continue
        for other_path, _, other in operations(document):
            rest = other_path.removeprefix(f"{path}/{{")
            if rest == other_path or not rest.partition("}")[1]:
                continue
            parameter = rest.partition("}")[0]
            field = "host" if parameter == "host" else "id"
            made.setdefault("links", {})[other["operationId"]] = {
                "operationId": other["operationId"],
                "parameters": {parameter: f"$response.body#/{field}"},
            }


def write_document(path: Path = DOCUMENT) -> None:
    """Write the document of this code."""
    from api.app import build_routes

    path.write_text(
        json.dumps(openapi_document(build_routes()), indent=1, ensure_ascii=False) + "\n", "utf-8"
    )


if __name__ == "__main__":
    write_document(*map(Path, sys.argv[1:]))
