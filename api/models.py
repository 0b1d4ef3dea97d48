"""What goes in and out of the link routes. The OpenAPI document is generated from these."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    WithJsonSchema,
)
from pydantic.json_schema import SkipJsonSchema

from api.urls import MAX_URL_BYTES, normalise_url, short_url
from edge.contract import CUSTOM, SUFFIX
from ingest.contract import LinkDocument

MAX_NAME_CHARS: Final = 200
MAX_LABEL_CHARS: Final = 100
MAX_TAGS: Final = 50
MAX_REFERENCE_CHARS: Final = 256
MAX_RECIPIENTS: Final = 10_000

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(2299, 1, 1, tzinfo=UTC)  # about where the warehouse's dates end
_MILLISECOND = timedelta(milliseconds=1)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

Status = Literal["active", "expired", "disabled"]


def _read_instant(value: object) -> object:
    if not isinstance(value, str) or not _RFC_3339.match(value):
        raise ValueError(
            "A time is wanted in RFC 3339 with its zone offset, such as 2030-01-31T18:00:00+01:00"
        )
    return value


def _check_instant(value: datetime) -> datetime:
    try:
        instant = value.astimezone(UTC)
    except OverflowError:
        instant = _END
    if not _EPOCH <= instant < _END:
        raise ValueError("A time between the years 1970 and 2299 is wanted")
    return instant


def _check_code(value: str) -> str:
    if not CUSTOM.match(value):
        raise ValueError(
            "A code has 4 to 12 characters, A-Z, a-z and 0-9 only; leave it out to get a fresh one"
        )
    return value


def _check_suffix(value: str) -> str:
    if not SUFFIX.match(value):
        raise ValueError(
            "A suffix is 1 to 4 parts joined by /, each of 1 to 32 characters A-Z, a-z, 0-9, _ and -,"
            " beginning with a letter or digit"
        )
    return value


def _check_text(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("Control characters can't stand here")
    return value


def _check_label(value: str) -> str:
    if not value or value != value.strip():
        raise ValueError("Neither empty nor with spaces at its ends")
    return _check_text(value)


def _refuse_change(_: object) -> None:
    raise ValueError("Fixed once the link is made; leave it out, or make a new link")


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_read_instant, json_schema_input_type=str),
    AfterValidator(_check_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2030-01-31T18:00:00Z"]}),
]
Url = Annotated[
    str,
    AfterValidator(normalise_url),
    WithJsonSchema(
        {
            "type": "string",
            "format": "uri",
            "maxLength": MAX_URL_BYTES,
            "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://",
            "examples": ["https://www.example.com/spring?from=sms"],
        }
    ),
]
Code = Annotated[
    str,
    AfterValidator(_check_code),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9]{4,12}$", "examples": ["Spring26"]}),
]
Suffix = Annotated[
    str,
    AfterValidator(_check_suffix),
    WithJsonSchema(
        {"type": "string", "pattern": "^" + SUFFIX.pattern.replace(r"\Z", "$"), "examples": ["cisco"]}
    ),
]
Fixed = Annotated[None, BeforeValidator(_refuse_change)]
Name = Annotated[str, Field(max_length=MAX_NAME_CHARS), AfterValidator(_check_text)]
Label = Annotated[str, Field(max_length=MAX_LABEL_CHARS, min_length=1), AfterValidator(_check_label)]
Reference = Annotated[str, Field(max_length=MAX_REFERENCE_CHARS), AfterValidator(_check_text)]


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
    domain: str | None = Field(None, max_length=260, examples=["s.example.com"])
    suffix: Suffix | None = Field(None, description="Path between domain and code")


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
            created_at=instant_of(document.created_at_ms),
            updated_at=instant_of(document.updated_at_ms),
        )


class LinkPage(BaseModel):
    data: list[Link]
    next_cursor: str | None = Field(
        description="Send it as cursor to get the next page; null on the last one"
    )


class NewRecipient(Body):
    recipient: Annotated[str, Field(max_length=MAX_REFERENCE_CHARS), AfterValidator(_check_label)] = Field(
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


def instant_of(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)


def ms_of(instant: datetime) -> int:
    """Unix time in ms, rounded down."""
    return (instant - _EPOCH) // _MILLISECOND
