"""What the audit route answers."""

from datetime import datetime
from typing import Literal, Self

import orjson
from pydantic import BaseModel, Field

from api.audit.entries import AuditEntry
from api.fields import instant_of


class AuditedChange(BaseModel):
    """Digests are SHA-256 of the thing's JSON in hex; null where there was, or is now, nothing."""

    kind: str = Field(examples=["link"])
    id: str = Field(examples=["lnk_8sTq0mVh2KxZ"])
    before: str | None
    after: str | None


class Actor(BaseModel):
    kind: Literal["key", "person"]
    id: str = Field(description="The key's id; of a person the token's subject; admin is the first key")


class AuditRecord(BaseModel):
    """A request that changed something. Times are UTC."""

    id: str
    at: datetime
    actor: Actor
    address: str = Field(description="Where it came from", examples=["198.51.100.7"])
    method: str
    route: str = Field(examples=["/v1/links/{link_id}"])
    path: str = Field(examples=["/v1/links/lnk_8sTq0mVh2KxZ"])
    status: int
    request_id: str
    change_count: int = Field(description="How many things were changed; changes tells the first 1,000")
    changes: list[AuditedChange]

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls(
            id=entry.id,
            at=instant_of(entry.at_ms),
            actor=Actor.model_validate({"kind": entry.actor_kind, "id": entry.actor}),
            address=entry.address,
            method=entry.method,
            route=entry.route,
            path=entry.path,
            status=entry.status,
            request_id=entry.request_id,
            change_count=entry.change_count,
            changes=[AuditedChange(**change) for change in orjson.loads(entry.changes)],
        )


class AuditPage(BaseModel):
    data: list[AuditRecord]
    next_cursor: str | None = Field(
        description="Send it as cursor to get the next page; null on the last one"
    )
