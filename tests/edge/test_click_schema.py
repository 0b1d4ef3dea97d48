"""The click event's documentation, its JSON Schema and what the edge writes are one and the same."""

import json
import re
from pathlib import Path
from typing import get_args

import edge.clicks
from edge.click_json import ClickEncoder, header_fields, link_fields
from edge.clicks import SIGNAL_HEADERS, Outcome, Route
from edge.known_link import KnownLink
from edge.links import EdgeLink
from edge.request import CodeRequest, RequestHeaders
from edge.routing import NOT_FOUND, Decision

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "clicks.v1.schema.json").read_text())
TYPES = {"integer": int, "string": str, "boolean": bool, "object": dict}


class Request(CodeRequest):
    """A request as the encoder sees it."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(b"GET")
        self.code = b"Penhgyab"
        self.address = b"2001:db8::1"
        self.headers = RequestHeaders(None, None, header_fields("s.example.com", headers))


def click(*, is_orphan: bool = False, **headers: str) -> dict[str, object]:
    link = EdgeLink(7, 'ten"ant', "own12345", "", b"https://example.com/")
    known = KnownLink(link, b"7", b"", b"own12345", link_fields(link), None)
    decision = NOT_FOUND if is_orphan else Decision("ios", "redirected", b"https://example.com/")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    event = ClickEncoder(5).encode(
        9, 1_700_000_000_000, Request(named), None if is_orphan else known, decision
    )
    read: dict[str, object] = json.loads(event)
    return read


def test_the_schema_has_the_documented_fields() -> None:
    documented = re.findall(r"^\| (`.*?`) \|", edge.clicks.__doc__ or "", re.MULTILINE)
    names = [name for cell in documented for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(names) == sorted(SCHEMA["properties"])
    assert sorted([*SCHEMA["required"], "channel"]) == sorted(names)  # the edge need not say it
    assert SCHEMA["additionalProperties"] is False


def test_the_schema_knows_each_route_outcome_and_signal() -> None:
    properties = SCHEMA["properties"]
    assert tuple(properties["route"]["enum"]) == get_args(Route)
    assert tuple(properties["outcome"]["enum"]) == get_args(Outcome)
    assert tuple(properties["signals"]["properties"]) == SIGNAL_HEADERS


def test_an_event_has_the_schemas_fields_and_types() -> None:
    event = click(
        user_agent="ua", referer="r", accept_language="de", sec_fetch_mode="navigate", cookie="secret"
    )
    for each in (event, click(is_orphan=True)):
        assert sorted(each) == sorted(SCHEMA["required"])
        for name, value in each.items():
            assert type(value) is TYPES[SCHEMA["properties"][name]["type"]], name
    assert event["tenant"] == 'ten"ant'
    assert event["signals"] == {"sec-fetch-mode": "navigate"}


def test_header_values_are_cut_to_whole_characters() -> None:
    assert click(user_agent="ü" * 3000)["ua"] == "ü" * 2048
