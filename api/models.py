"""What goes in and out of the link routes. The OpenAPI document is generated from these."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool
from pydantic.json_schema import SkipJsonSchema

from api.fields import (
    Code,
    Fixed,
    Instant,
    Label,
    Name,
    Recipient,
    Reference,
    Suffix,
    Url,
    instant_of,
)
from api.urls import short_url
from ingest.contract import LinkDocument, Status

MAX_TAGS: Final = 50
MAX_RECIPIENTS: Final = 10_000
_AS_HOST: Final = Field(json_schema_extra={"format": "host"})


class Body(BaseModel):
    """A request body: unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DeviceRoutes(Body):
    """Destinations by device; `null` where the default counts."""

    ios: Url | None = None
    android: Url | None = None


class LinkFields(Body):
    """What can be given when a link is made, and changed later."""

    name: Name | None = Field(None, description="For people; need not be unique", examples=["Spring sale"])
    device_routes: DeviceRoutes | None = None
    expires_at: Instant | None = Field(
        None, description="From then on the link answers with expired_url, or 410"
    )
    expired_url: Url | None = None
    campaign: Label | None = Field(None, examples=["spring-2026"])
    tags: list[Label] | None = Field(None, max_length=MAX_TAGS, examples=[["sms", "uk"]])
    external_id: Label | None = Field(None, description="Your own id of the link")
    forward_query: StrictBool | None = Field(
        None, description="Pass the short URL's query string on to the destination; default false"
    )


class NewLink(LinkFields):
    destination_url: Url
    code: Code | None = Field(None, description="Your own code; a fresh one of 8 characters if left out")
    domain: Annotated[str, _AS_HOST] | None = Field(None, max_length=260, examples=["s.example.com"])
    suffix: Suffix | None = Field(None, description="Path between domain and code")


class UpsertedLink(NewLink):
    """The whole link where none has this `external_id` yet; else what is to change of the one that has.

    What is left out stays. `code`, `domain` and `suffix` are fixed once the link is made.
    """

    external_id: Label = Field(description="Your own id of the link: one link has it", examples=["crm-4711"])


class LinkPatch(LinkFields):
    """JSON Merge Patch (RFC 7396): what is left out stays, `null` takes away.

    Look at `model_fields_set` before you read a field: the defaults stand for "left out".
    """

    destination_url: Url = ""
    status: Literal["active", "disabled"] = Field(
        "active",
        description="disabled answers 404 until it is active again; expired comes from expires_at alone",
    )
    code: SkipJsonSchema[Fixed] = None
    domain: SkipJsonSchema[Fixed] = None
    suffix: SkipJsonSchema[Fixed] = None


class Routes(BaseModel):
    ios: str | None
    android: str | None


class Link(BaseModel):
    """A link as it is answered. Times are UTC."""

    id: str = Field(examples=["lnk_8sTq0mVh2KxZ"])
    name: str
    short_url: str = Field(examples=["https://s.example.com/cisco/Penhgy"])
    domain: str
    suffix: str | None
    code: str
    destination_url: str
    device_routes: Routes
    device_routing: bool = Field(description="Whether any device has a destination of its own")
    expires_at: datetime | None
    expired_url: str | None
    status: Status
    campaign: str | None
    tags: list[str]
    external_id: str | None
    forward_query: bool
    links_sent_30d: int = Field(description="Codes minted for recipients in the last 30 days")
    clicks_30d: int = Field(description="All clicks of the last 30 days, whatever their verdict")
    imported_clicks: int = Field(description="What another shortener had counted; in no report's clicks")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, document: LinkDocument, *, sent: int, clicks: int, now_ms: int) -> Self:
        """The answer for a stored link, its 30-day counts, and the time at which it is looked at."""
        return cls(
            id=document.id,
            name=document.name,
            short_url=short_url(document.domain, document.suffix, document.code),
            domain=document.domain,
            suffix=document.suffix or None,
            code=document.code,
            destination_url=document.destination_url,
            device_routes=Routes(ios=document.ios_url, android=document.android_url),
            device_routing=document.ios_url is not None or document.android_url is not None,
            expires_at=None if document.expires_at_ms is None else instant_of(document.expires_at_ms),
            expired_url=document.expired_url,
            status=status_of(document, now_ms),
            campaign=document.campaign,
            tags=list(document.tags),
            external_id=document.external_id,
            forward_query=document.forward_query,
            links_sent_30d=sent,
            clicks_30d=clicks,
            imported_clicks=document.imported_clicks,
            created_at=instant_of(document.created_at_ms),
            updated_at=instant_of(document.updated_at_ms),
        )


class LinkPage(BaseModel):
    data: list[Link]
    next_cursor: str | None = Field(
        description="Send it as cursor to get the next page; null on the last one"
    )


class NewRecipient(Body):
    recipient: Recipient = Field(
        description="Usually an E.164 number; any opaque reference will do", examples=["+447700900123"]
    )
    reference: Reference = Field("", description="Tells several codes for one recipient apart")


class NewRecipients(Body):
    recipients: list[NewRecipient] = Field(min_length=1, max_length=MAX_RECIPIENTS)


class MintedCode(BaseModel):
    recipient: str
    reference: str
    code: str = Field(examples=["hT5xQ09a"])
    short_url: str = Field(examples=["https://s.example.com/cisco/hT5xQ09a"])


class MintedCodes(BaseModel):
    data: list[MintedCode] = Field(description="One for each recipient, in the order they came")


def status_of(document: LinkDocument, now_ms: int) -> Status:
    """`disabled` where it was switched off, else by its expiry."""
    if not document.enabled:
        return "disabled"
    expired = document.expires_at_ms is not None and document.expires_at_ms <= now_ms
    return "expired" if expired else "active"
