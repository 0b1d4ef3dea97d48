"""A link as the edge sees it, and its form in the Redis hash `link:<number>`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

# Field names in the hash. `document` is the API's whole link as JSON, `version` counts its changes; the edge
# reads neither.
EDGE_FIELDS = (
    b"tenant",
    b"code",
    b"suffix",
    b"destination",
    b"ios",
    b"android",
    b"expires_at",
    b"expired_url",
    b"forward_query",
)
DOCUMENT_FIELD = b"document"


@dataclass(frozen=True, slots=True)
class EdgeLink:
    """What a redirect needs. URLs are ASCII bytes, ready for a `Location` header.

    `code` is the link's own code; a click by any other code of this link is a recipient's, hence personal.
    `expires_at_ms` is Unix time in milliseconds.
    """

    number: int
    tenant: str
    code: str
    suffix: str
    destination: bytes
    ios: bytes | None = None
    android: bytes | None = None
    expires_at_ms: int | None = None
    expired_url: bytes | None = None
    forward_query: bool = False

    def to_fields(self) -> dict[bytes, bytes]:
        """The hash's fields; absent ones are left out."""
        fields = {
            b"tenant": self.tenant.encode(),
            b"code": self.code.encode(),
            b"destination": self.destination,
        }
        if self.suffix:
            fields[b"suffix"] = self.suffix.encode()
        if self.ios is not None:
            fields[b"ios"] = self.ios
        if self.android is not None:
            fields[b"android"] = self.android
        if self.expires_at_ms is not None:
            fields[b"expires_at"] = b"%d" % self.expires_at_ms
        if self.expired_url is not None:
            fields[b"expired_url"] = self.expired_url
        if self.forward_query:
            fields[b"forward_query"] = b"1"
        return fields

    @classmethod
    def from_fields(cls, number: int, fields: Mapping[bytes, bytes]) -> Self | None:
        """The link, or None where the hash has no destination (no such link, or not an active one)."""
        destination = fields.get(b"destination")
        if not destination:
            return None
        expires_at = fields.get(b"expires_at")
        return cls(
            number=number,
            tenant=fields.get(b"tenant", b"").decode(),
            code=fields.get(b"code", b"").decode(),
            suffix=fields.get(b"suffix", b"").decode(),
            destination=destination,
            ios=fields.get(b"ios") or None,
            android=fields.get(b"android") or None,
            expires_at_ms=int(expires_at) if expires_at else None,
            expired_url=fields.get(b"expired_url") or None,
            forward_query=fields.get(b"forward_query") == b"1",
        )
