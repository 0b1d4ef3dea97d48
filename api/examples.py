"""An example of a JSON Schema, made of the examples that its parts have."""

from typing import Any

Schema = dict[str, Any]


def example_of(schema: Schema, schemas: dict[str, Schema]) -> Any:
    """A value that fits: of an object, the required fields and those with an example of their own.

    `schemas` are those that `$ref` leads to.
    """
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    given = [*schema.get("examples", ()), *schema.get("enum", ())]
    given += [schema[name] for name in ("example", "const", "default") if name in schema]
    choices = _choices(schema)
    if given:
        return given[0]
    if choices:
        chosen = next((each for each in choices if each.get("type") != "null"), choices[0])
        return example_of(chosen, schemas)
    return _example_of_type(schema, schemas)


def _example_of_type(schema: Schema, schemas: dict[str, Schema]) -> Any:
    if schema.get("type") == "object":
        required = schema.get("required", ())
        fields = schema.get("properties", {}).items()
        return {
            name: example_of(field, schemas)
            for name, field in fields
            if name in required or _has_example(field, schemas)
        }
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)]
    return {"integer": schema.get("minimum", 1), "boolean": False}.get(schema.get("type", ""), "text")


def _choices(schema: Schema) -> list[Schema]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]


def _has_example(schema: Schema, schemas: dict[str, Schema]) -> bool:
    if "$ref" in schema:
        return _has_example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "example" in schema or schema.get("examples"):
        return True
    return any(_has_example(each, schemas) for each in _choices(schema))
