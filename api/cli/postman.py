"""A Postman collection (v2.1) of an OpenAPI 3.1 document: a folder a tag, a request an operation. Pure."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_MAX_DEPTH: Final = 6

Json = dict[str, Any]


def collection_of(document: Mapping[str, Any], *, base_url: str) -> Json:
    """The collection. `{{base_url}}` and `{{key}}` are its variables; the key is sent as a bearer token."""
    folders: defaultdict[str, list[Json]] = defaultdict(list)
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                operation = operations[method]
                (tag, *_) = operation.get("tags", ["Other"])
                folders[tag].append(_request(document, path, method, operation))
    return {
        "info": {
            "name": document["info"]["title"],
            "description": document["info"].get("description", ""),
            "schema": SCHEMA,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{key}}", "type": "string"}]},
        "variable": [{"key": "base_url", "value": base_url}, {"key": "key", "value": ""}],
        "item": [{"name": tag, "item": requests} for tag, requests in sorted(folders.items())],
    }


def _request(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Json:
    parameters = [_resolve(document, each) for each in operation.get("parameters", ())]
    segments = [f":{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")]
    query = [_parameter(document, each) for each in parameters if each["in"] == "query"]
    url: Json = {
        "raw": "{{base_url}}/" + "/".join(segments),
        "host": ["{{base_url}}"],
        "path": segments,
        "query": [{**each, "disabled": True} for each in query],
        "variable": [_parameter(document, each) for each in parameters if each["in"] == "path"],
    }
    request: Json = {
        "method": method.upper(),
        "url": url,
        "header": [],
        "description": operation.get("description", ""),
    }
    for media_type, text in _bodies(document, operation):
        request["header"] = [{"key": "Content-Type", "value": media_type}]
        request["body"] = {"mode": "raw", "raw": text}
        break
    return {"name": operation.get("summary") or f"{method.upper()} {path}", "request": request}


def _parameter(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> Json:
    value = _example(document, {**parameter.get("schema", {}), **_own_example(parameter)})
    text = value if isinstance(value, str) else json.dumps(value)
    return {"key": parameter["name"], "value": text, "description": parameter.get("description", "")}


def _bodies(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Media type and an example of each body that the operation takes."""
    body = _resolve(document, operation.get("requestBody", {}))
    for media_type, content in body.get("content", {}).items():
        value = _example(document, {**content.get("schema", {}), **_own_example(content)})
        yield media_type, value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _own_example(holder: Mapping[str, Any]) -> Json:
    if "example" in holder:
        return {"example": holder["example"]}
    for example in holder.get("examples", {}).values() if isinstance(holder.get("examples"), dict) else ():
        return {"example": example.get("value")}
    return {}


def _example(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Any:
    """An example of the schema's, else one made of its parts: of an object, what is required."""
    schema = _resolve(document, schema)
    given = (schema.get(name) for name in ("example", "default", "const"))
    for found in (*schema.get("examples", ()), *given, *schema.get("enum", ())):
        if found is not None:
            return found
    for alternative in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        if alternative.get("type") != "null" and depth < _MAX_DEPTH:
            return _example(document, alternative, depth + 1)
    return _made_of_parts(document, schema, depth)


def _made_of_parts(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:
    match schema.get("type"):
        case "object" if depth < _MAX_DEPTH:
            required = schema.get("required", ())
            return {
                name: _example(document, inner, depth + 1)
                for name, inner in schema.get("properties", {}).items()
                if name in required
            }
        case "array" if depth < _MAX_DEPTH:
            return [_example(document, schema.get("items", {}), depth + 1)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case _:
            return ""


def _resolve(document: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The value itself, or what its `$ref` leads to."""
    while "$ref" in value:
        target: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        value = target
    return value
