"""The JSON Schema of link events says the same as the code."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from ingest.contract import (
    CodesMinted,
    CodesMintedAcross,
    DomainDeleted,
    DomainDocument,
    DomainSaved,
    LinkDeleted,
    LinkDocument,
    LinkSaved,
    LinkWithdrawn,
    RecipientErased,
)

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "links.v1.schema.json").read_text())


def test_every_event_has_its_fields_and_no_others() -> None:
    events = (
        LinkSaved,
        LinkDeleted,
        LinkWithdrawn,
        CodesMinted,
        CodesMintedAcross,
        RecipientErased,
        DomainSaved,
        DomainDeleted,
    )
    assert SCHEMA["oneOf"] == [{"$ref": f"#/$defs/{event.__name__}"} for event in events]
    for kind in (*events, LinkDocument, DomainDocument):
        definition = SCHEMA["$defs"][kind.__name__]
        names = {field.name for field in dataclasses.fields(kind)}
        later = {name for name, field in definition["properties"].items() if "default" in field}
        assert set(definition["properties"]) == set(definition["required"]) | later == names
        assert definition["additionalProperties"] is False
    for event in events:
        types = {field.name: field.default for field in dataclasses.fields(event)}
        assert SCHEMA["$defs"][event.__name__]["properties"]["type"] == {"const": types["type"]}
