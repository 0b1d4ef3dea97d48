"""The clicks themselves, as pages in order of time or as a stream in the table's order."""

import base64
import binascii
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from api.reports.cover import Span
from api.reports.query import Scope
from api.reports.rows import Part, where
from ingest.contract import CursorError, Row, Warehouse

# What a click is shown with, in this order, and where it comes from.
FIELDS: Final[Mapping[str, str]] = {
    "id": "concat(toString(source), '-', toString(seq))",
    "clicked_at_ms": "toUnixTimestamp64Milli(ts)",
    "link_id": "known.id",
    **{
        name: f"toString({name})"
        for name in (
            *("code", "domain", "channel", "method", "route", "outcome", "verdict", "rule"),
            *("country", "region", "city", "browser", "browser_version", "os", "os_version"),
            *("device_brand", "device", "platform", "referrer", "language", "network_kind"),
        )
    },
    "address": "ip",
    "user_agent": "user_agent",
}
FILTERS: Final = ("verdict", "route", "country", "channel")

_SQL: Final = """
SELECT {fields}
FROM (SELECT * FROM clicks WHERE {condition}) AS clicks
LEFT ANY JOIN (SELECT number, id FROM links FINAL WHERE tenant = {{tenant:String}}) AS known
    ON clicks.link = known.number
"""


@dataclass(frozen=True, slots=True)
class ClickFilter:
    """Which clicks: a scope's in a span (Unix ms, half open), with these values in columns of `FILTERS`."""

    scope: Scope
    span: Span
    equals: Mapping[str, str]

    def sql(self, fields: str, more: str = "") -> tuple[str, dict[str, object]]:
        condition, parameters = where(self.scope, [Part(self.scope.links, [self.span])])
        for name in FILTERS:
            if name in self.equals:
                condition += f" AND {name} = {{only_{name}:String}}"
                parameters[f"only_{name}"] = self.equals[name]
        return _SQL.format(fields=fields, condition=condition + more), parameters


AT: Final = tuple(FIELDS).index("clicked_at_ms")
_SHOWN: Final = ", ".join(FIELDS.values())


ROWS_A_BLOCK: Final = 8_192
"""Of a stream. The engine's own 65,409 take 100 MB as rows of Python."""


def page_of_clicks(
    warehouse: Warehouse, chosen: ClickFilter, limit: int, cursor: str | None
) -> tuple[list[Row], str | None]:
    """A page of rows of `FIELDS` in order of time, and the cursor of the next one.

    Raises `CursorError`. Blocks.
    """
    more, place = "", {}
    if cursor is not None:
        ms, source, seq = _read_cursor(cursor)
        # By time alone first: so the engine can leave out what lies before.
        more = (
            " AND ts >= fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC') AND (toUnixTimestamp64Milli(ts),"
            " source, seq) > ({after_ms:Int64}, {after_source:UInt64}, {after_seq:UInt64})"
        )
        place = {"after_ms": ms, "after_source": source, "after_seq": seq}
    sql, parameters = chosen.sql(f"{_SHOWN}, source, seq", more)
    rows = warehouse.query(
        f"{sql} ORDER BY ts, source, seq LIMIT {{limit:UInt32}}", {**parameters, **place, "limit": limit + 1}
    )
    page = [row[: len(FIELDS)] for row in rows[:limit]]
    if len(rows) <= limit:
        return page, None
    last = rows[limit - 1]
    after = orjson.dumps([last[AT], *last[-2:]])
    return page, base64.urlsafe_b64encode(after).decode().rstrip("=")


def stream_clicks(warehouse: Warehouse, chosen: ClickFilter) -> Generator[list[Row]]:
    """All of them, as rows of `FIELDS`, in constant memory. Read to the end or close it. Blocks."""
    sql, parameters = chosen.sql(_SHOWN)
    yield from warehouse.stream(f"{sql} SETTINGS max_block_size = {ROWS_A_BLOCK}", parameters)


def _read_cursor(cursor: str) -> tuple[int, int, int]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        ms, source, seq = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error):
        raise CursorError("the cursor is not one that a page of clicks ended with") from None
    if not all(type(part) is int and 0 <= part < 1 << 64 for part in (ms, source, seq)) or ms >= 1 << 62:
        raise CursorError("the cursor is not one that a page of clicks ended with")
    return ms, source, seq
