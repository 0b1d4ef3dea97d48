"""Who clicked: the catalogue's codes joined to the human clicks on them, of a link, a campaign or a person.

Bots don't count here at all: a recipient whose message was only fetched for a preview has not clicked.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ingest.contract import CursorError, Row, Warehouse

FIELDS: Final = (
    "link",
    "link_id",
    "link_name",
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
    "city",
)
_KEY_TYPES: Final = (int, str, str, str)

# Ordered by the table's own key, which no click changes: pages stay put while clicks come in.
_SQL: Final = """
WITH chosen AS (
    SELECT number AS link, id AS link_id, name AS link_name FROM links FINAL
    WHERE tenant = {{tenant:String}} AND NOT deleted AND {links}
)
SELECT link, link_id, link_name, recipient, reference, code, clicks, first_click_ms, last_click_ms,
    latest.1, latest.2, latest.3, latest.4, latest.5, latest.6, latest.7
FROM (
    SELECT link, recipient, reference, code FROM codes FINAL
    WHERE tenant = {{tenant:String}} AND link IN (SELECT link FROM chosen) AND {codes}
        AND (link, recipient, reference, code)
            > ({{after_link:UInt64}}, {{after_recipient:String}},
                {{after_reference:String}}, {{after_code:String}})
) AS minted
INNER JOIN (
    SELECT link, code, count() AS clicks,
        toUnixTimestamp64Milli(min(ts)) AS first_click_ms, toUnixTimestamp64Milli(max(ts)) AS last_click_ms,
        argMax((ip, browser, os, device, country, region, city), (ts, source, seq)) AS latest
    FROM clicks
    WHERE tenant = {{tenant:String}} AND link IN (SELECT link FROM chosen) AND verdict = 'human' AND {clicks}
    GROUP BY link, code
) AS clicked USING (link, code)
INNER JOIN chosen USING (link)
ORDER BY link, recipient, reference, code
"""


@dataclass(frozen=True, slots=True)
class Clickers:
    """Whom to tell of: those of one link (its number), of a campaign, or one recipient across all links."""

    tenant: str
    link: int | None = None
    campaign: str | None = None
    recipient: str | None = None

    def sql(self) -> str:
        conditions = ["true"]
        if self.link is not None:
            conditions.append("number = {link:UInt64}")
        if self.campaign is not None:
            conditions.append("campaign = {campaign:String}")
        if self.recipient is None:
            return _SQL.format(links=" AND ".join(conditions), codes="true", clicks="true")
        return _SQL.format(
            links=" AND ".join(conditions),
            codes="recipient = {recipient:String}",
            clicks="code IN (SELECT code FROM codes"
            " WHERE tenant = {tenant:String} AND recipient = {recipient:String})",
        )

    def parameters(self, cursor: str | None) -> dict[str, object]:
        """Raises `CursorError`."""
        link, recipient, reference, code = (0, "", "", "") if cursor is None else _read_cursor(cursor)
        wanted: Mapping[str, object] = {
            "tenant": self.tenant,
            "link": self.link,
            "campaign": self.campaign,
            "recipient": self.recipient,
            "after_link": link,
            "after_recipient": recipient,
            "after_reference": reference,
            "after_code": code,
        }
        return {name: value for name, value in wanted.items() if value is not None}


def who_clicked(
    warehouse: Warehouse, clickers: Clickers, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of recipients with a human click, and the cursor of the next page. Raises `CursorError`.

    Each is a dict of `FIELDS`: the link, whose code it is, how many clicks, the first and the last (Unix ms),
    and of the latest click the address, browser, OS, device and place.
    """
    parameters = {**clickers.parameters(cursor), "limit": limit + 1}
    rows = warehouse.query(f"{clickers.sql()} LIMIT {{limit:UInt32}}", parameters)
    page = rows[:limit]
    return [_as_dict(row) for row in page], _cursor_after(page[-1]) if len(rows) > limit else None


def stream_who_clicked(warehouse: Warehouse, clickers: Clickers) -> Iterator[list[dict[str, Any]]]:
    """As `who_clicked`, all of them in blocks, by one query. Read to the end or close the generator."""
    for block in warehouse.stream(clickers.sql(), clickers.parameters(None)):
        yield [_as_dict(row) for row in block]


def _as_dict(row: Row) -> dict[str, Any]:
    return dict(zip(FIELDS, row, strict=True))


def _cursor_after(row: Row) -> str:
    link, _, _, recipient, reference, code, *_ = row
    key = orjson.dumps((link, recipient, reference, code))
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, str, str, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        link, recipient, reference, code = key
    except (ValueError, TypeError, binascii.Error):
        raise CursorError("the cursor is not one that a page of recipients ended with") from None
    if tuple(map(type, key)) != _KEY_TYPES or not 0 <= link < 2**64:
        raise CursorError("the cursor is not one that a page of recipients ended with")
    return link, recipient, reference, code
