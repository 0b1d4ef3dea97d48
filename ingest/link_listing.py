"""Which of a tenant's links to list, in which order, from where on: pure, as conditions in SQL.

Pages are cut by key, not by offset: a page costs the same wherever it stands, and links that come or go
meanwhile shift nothing.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final, Literal

import orjson

Status = Literal["active", "expired", "disabled"]
Sort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"]

# The expression to sort by, and the type that its value has in a cursor.
_SORT_KEYS: Final = {
    "created_at": ("toUnixTimestamp64Milli(links.created_at)", "Int64"),
    "updated_at": ("toUnixTimestamp64Milli(links.updated_at)", "Int64"),
    "name": ("lowerUTF8(links.name)", "String"),
}

_SEARCHED: Final = (
    "name",
    "destination_url",
    "ios_url",
    "android_url",
    "concat(domain, '/', if(suffix = '', '', concat(suffix, '/')), code)",
    "campaign",
    "external_id",
)

ACTIVE: Final = (
    "(enabled AND (expires_at IS NULL OR toUnixTimestamp64Milli(links.expires_at) > {now_ms:Int64}))"
)

_STATUS: Final = {
    "active": ACTIVE,
    "expired": "enabled AND toUnixTimestamp64Milli(links.expires_at) <= {now_ms:Int64}",
    "disabled": "NOT enabled",
}


class CursorError(ValueError):
    """The cursor is none of ours, or of another order."""


@dataclass(frozen=True, slots=True)
class LinkListing:
    """A page of links. `q` is looked for in name, URLs, campaign and external id, in any case.

    The short URL is searched without its scheme. `now_ms` is Unix time: it decides which links have
    expired. `sort` with `-` is descending.
    """

    now_ms: int
    q: str | None = None
    status: Status | None = None
    campaign: str | None = None
    tag: str | None = None
    domain: str | None = None
    external_id: str | None = None
    sort: Sort = "-created_at"
    limit: int = 50
    cursor: str | None = None

    @property
    def sort_key(self) -> str:
        return _SORT_KEYS[self.sort.removeprefix("-")][0]

    @property
    def direction(self) -> Literal["ASC", "DESC"]:
        return "DESC" if self.sort.startswith("-") else "ASC"

    def condition(self) -> tuple[str, dict[str, object]]:
        """The condition and its parameters. Raises `CursorError`."""
        conditions = ["true"]
        parameters: dict[str, object] = {"now_ms": self.now_ms}
        if self.q:
            conditions.append(
                "("
                + " OR ".join(
                    f"positionCaseInsensitiveUTF8(ifNull({name}, ''), {{q:String}}) > 0" for name in _SEARCHED
                )
                + ")"
            )
            parameters["q"] = self.q
        if self.status is not None:
            conditions.append(f"({_STATUS[self.status]})")
        for name in ("campaign", "domain", "external_id"):
            wanted = getattr(self, name)
            if wanted is not None:
                conditions.append(f"{name} = {{{name}:String}}")
                parameters[name] = wanted
        if self.tag is not None:
            conditions.append("has(tags, {tag:String})")
            parameters["tag"] = self.tag
        if self.cursor is not None:
            key, number = self._read_cursor(self.cursor)
            key_type = _SORT_KEYS[self.sort.removeprefix("-")][1]
            beyond = "<" if self.direction == "DESC" else ">"
            conditions.append(
                f"({self.sort_key}, number) {beyond} ({{after_key:{key_type}}}, {{after_number:UInt64}})"
            )
            parameters |= {"after_key": key, "after_number": number}
        return " AND ".join(conditions), parameters

    def cursor_after(self, key: int | str, number: int) -> str:
        """The cursor of the page behind the link with this sort key and number."""
        return base64.urlsafe_b64encode(orjson.dumps([self.sort, key, number])).decode().rstrip("=")

    def _read_cursor(self, cursor: str) -> tuple[int | str, int]:
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            sort, key, number = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (ValueError, TypeError, binascii.Error):
            raise CursorError("the cursor is not one that a page of links ended with") from None
        expected = int if _SORT_KEYS[self.sort.removeprefix("-")][1] == "Int64" else str
        if sort != self.sort or type(key) is not expected or type(number) is not int or number < 0:
            raise CursorError("the cursor belongs to another sort: start again without it")
        return key, number
