"""Who clicked a link: the catalogue's codes joined to the human clicks on them.

Bots don't count here at all: a recipient whose message was only fetched for a preview has not clicked.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import orjson

from ingest.contract import CursorError, Row, Warehouse

_FIELDS = (
    "recipient",
    "reference",
    "code",
    "clicks",
    "first_click_ms",
    "last_click_ms",
    "address",
    "browser",
    "os",
    "device",
    "country",
    "region",
)

# Ordered by the table's own key, which no click changes: pages stay put while clicks come in.
_SQL = """
SELECT recipient, reference, code, clicks, first_click_ms, last_click_ms,
    latest.1, latest.2, latest.3, latest.4, latest.5, latest.6
FROM (
    SELECT recipient, reference, code FROM codes FINAL
    WHERE tenant = {tenant:String} AND link = {link:UInt64}
        AND (recipient, reference, code) > ({recipient:String}, {reference:String}, {code:String})
) AS minted
INNER JOIN (
    SELECT code, count() AS clicks,
        toUnixTimestamp64Milli(min(ts)) AS first_click_ms, toUnixTimestamp64Milli(max(ts)) AS last_click_ms,
        argMax((ip, browser, os, device, country, region), (ts, source, seq)) AS latest
    FROM clicks
    WHERE tenant = {tenant:String} AND link = {link:UInt64} AND verdict = 'human'
    GROUP BY code
) AS clicked USING (code)
ORDER BY recipient, reference, code
"""


def who_clicked(
    warehouse: Warehouse, tenant: str, number: int, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of recipients with a human click, and the cursor of the next page. Raises `CursorError`.

    Each is a dict: `recipient`, `reference`, `code`, `clicks`, `first_click_ms`, `last_click_ms` (Unix time),
    and of the latest click `address`, `browser`, `os`, `device`, `country`, `region`.
    """
    parameters = {**_parameters(tenant, number, cursor), "limit": limit + 1}
    rows = warehouse.query(f"{_SQL} LIMIT {{limit:UInt32}}", parameters)
    page = rows[:limit]
    return [_as_dict(row) for row in page], _cursor_after(page[-1]) if len(rows) > limit else None


def stream_who_clicked(warehouse: Warehouse, tenant: str, number: int) -> Iterator[dict[str, Any]]:
    """As `who_clicked`, all of them, by one query. Read to the end or close the generator."""
    for block in warehouse.stream(_SQL, _parameters(tenant, number, None)):
        for row in block:
            yield _as_dict(row)


def _as_dict(row: Row) -> dict[str, Any]:
    return dict(zip(_FIELDS, row, strict=True))


def _parameters(tenant: str, number: int, cursor: str | None) -> dict[str, object]:
    recipient, reference, code = ("", "", "") if cursor is None else _read_cursor(cursor)
    return {"tenant": tenant, "link": number, "recipient": recipient, "reference": reference, "code": code}


def _cursor_after(row: Row) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(row[:3])).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[str, str, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        recipient, reference, code = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error):
        raise CursorError("the cursor is not one that a page of recipients ended with") from None
    if not all(isinstance(part, str) for part in (recipient, reference, code)):
        raise CursorError("the cursor is not one that a page of recipients ended with")
    return recipient, reference, code
