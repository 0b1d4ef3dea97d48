"""The body of `POST /v1/sms/messages`, in the words of the vendor's API."""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from api.fields import HOST_PATTERN, URL_SCHEMA, Url
from api.messages.destinations import (
    CORRELATION_ID_WANTED,
    MAX_CORRELATION_ID_CHARS,
    MAX_SUBSTITUTION_CHARS,
    is_correlation_id,
    read_substitutions,
)
from api.messages.message import (
    MAX_CALLBACK_DATA_CHARS,
    MAX_CONTENT_CHARS,
    MAX_DESTINATIONS,
)

MAX_SENDER_CHARS: Final = 20
_MAX_UNIX_MS: Final = 2**63 - 1
_SENDER: Final = re.compile(rf"[ -~]{{1,{MAX_SENDER_CHARS}}}\Z")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_EXAMPLE: Final[JsonDict] = {
    "from": "12233",
    "to": [{"to": "+447700900123", "substitutions": {"name": "Ann"}, "correlationId": "order-1"}],
    "content": "Hi ${name}, see https://www.example.com/spring",
    "shortenUrls": True,
}


def _read_sender(value: str) -> str:
    if not _SENDER.match(value):
        raise ValueError(f"A sender has 1 to {MAX_SENDER_CHARS} printable ASCII characters")
    return value


def _read_text(value: str) -> str:
    if _UNPRINTABLE.search(value):
        raise ValueError("Control characters can't stand here, but line breaks and tabs")
    return value


def _read_flag(value: object) -> object:
    """The vendor's own examples write booleans as strings, too."""
    flags: dict[object, bool] = {"true": True, "false": False}
    flag = flags.get(value.lower(), value) if isinstance(value, str) else value
    if flag is not None and not isinstance(flag, bool):
        raise ValueError("true or false is wanted here")
    return flag


def _read_time(value: object) -> object:
    """Both, so that what is neither has one place and one word; which times fit, `expiry.py` says."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | str)):
        raise ValueError("A time in ISO 8601, or a whole number, Unix time in s or ms, is wanted here")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _nothing_if_empty(value: object) -> object:
    """The vendor's own examples send empty strings for what is not there."""
    return None if value == "" else value


def _read_correlation_id(value: str | None) -> str | None:
    if value is not None and not is_correlation_id(value):
        raise ValueError(CORRELATION_ID_WANTED)
    return value


_FLAG_SCHEMA: Final = {
    "anyOf": [
        {"type": "boolean"},
        {"type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$"},
        {"type": "null"},
    ]
}
_Flag = Annotated[bool | None, BeforeValidator(_read_flag), WithJsonSchema(_FLAG_SCHEMA)]
_OrNothing = BeforeValidator(_nothing_if_empty)
_NOTHING: Final[list[JsonDict]] = [{"const": ""}, {"type": "null"}]
_TEXT_PATTERN: Final = r"^[^\x00-\x08\x0b\x0e-\x1f\x7f]*$"
_NUMBER_PATTERN: Final = r"^(00)?[ ().-]*\+?[ ().-]*[1-9]([ ().-]*[0-9]){5,14}[ ().-]*$"
_CORRELATION_ID: Final[JsonDict] = {
    "type": ["string", "null"],
    "maxLength": MAX_CORRELATION_ID_CHARS,
    "pattern": _TEXT_PATTERN,
}
_SUBSTITUTIONS: Final[JsonDict] = {
    "type": ["object", "null"],
    "additionalProperties": {
        "type": ["string", "number", "boolean"],
        "maxLength": MAX_SUBSTITUTION_CHARS,
        "pattern": _TEXT_PATTERN,
    },
}
_NUMBERS: Final[JsonDict] = {
    "type": ["string", "array"],
    "pattern": _NUMBER_PATTERN,
    "items": {"type": "string", "pattern": _NUMBER_PATTERN},
    "minItems": 1,
}
_DESTINATION: Final = {
    "anyOf": [
        {"type": "string", "pattern": _NUMBER_PATTERN, "examples": ["+447700900123"]},
        {
            "type": "object",
            "properties": {
                "to": _NUMBERS,
                "msisdn": _NUMBERS,
                "substitutions": _SUBSTITUTIONS,
                "correlationId": _CORRELATION_ID,
            },
            "anyOf": [{"required": ["to"]}, {"required": ["msisdn"]}],
            "additionalProperties": False,
        },
    ]
}
Substitutions = Annotated[
    dict[str, str],
    BeforeValidator(read_substitutions),
    WithJsonSchema(_SUBSTITUTIONS),
]
Text = Annotated[str, AfterValidator(_read_text), Field(json_schema_extra={"pattern": _TEXT_PATTERN})]


class NewMessages(BaseModel):
    """One message or many. Fields that are not known are passed over, with a warning in the answer."""

    model_config = ConfigDict(
        alias_generator=to_camel, frozen=True, extra="allow", json_schema_extra={"examples": [_EXAMPLE]}
    )

    sender: Annotated[str, AfterValidator(_read_sender)] = Field(
        alias="from",
        description="Sender id, short code or number",
        examples=["12233"],
        json_schema_extra={"pattern": f"^[ -~]{{1,{MAX_SENDER_CHARS}}}$"},
    )
    to: Annotated[
        Any,
        WithJsonSchema(
            {
                "anyOf": [
                    *_DESTINATION["anyOf"],
                    {"type": "array", "items": _DESTINATION, "minItems": 1, "maxItems": 1000},
                ]
            }
        ),
    ] = Field(description=f"E.164 numbers, 1 to {MAX_DESTINATIONS:,}, each alone or with fields of its own")
    content: Annotated[Text, Field(min_length=1, max_length=MAX_CONTENT_CHARS)] = Field(
        description="The text with ${name} placeholders; hexadecimal digits where it is binary;"
        " the id of a stored template where contentType is template"
    )
    content_type: Annotated[
        Literal["text", "unicode", "binary", "template"] | None,
        BeforeValidator(_lower),
        _OrNothing,
        WithJsonSchema(
            {"anyOf": [{"enum": ["text", "unicode", "binary", "template"], "type": "string"}, *_NOTHING]}
        ),
    ] = Field(None, description="text (the default) takes UCS-2 by itself where GSM-7 lacks a character")
    substitutions: Substitutions = Field(
        default_factory=dict, description="For all destinations; a destination's own come first"
    )
    correlation_id: Annotated[
        str | None, AfterValidator(_read_correlation_id), WithJsonSchema(_CORRELATION_ID)
    ] = None
    callback_url: Annotated[
        Url | None,
        _OrNothing,
        WithJsonSchema({"anyOf": [URL_SCHEMA, *_NOTHING]}),
    ] = Field(None, description="Gets a CLICKED receipt for a click on a short URL of the message")
    callback_data: Annotated[Text, Field(max_length=MAX_CALLBACK_DATA_CHARS)] | None = None
    expire_at: Annotated[
        int | str | None,
        BeforeValidator(_read_time),
        _OrNothing,
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "integer", "minimum": 0, "maximum": _MAX_UNIX_MS},
                    {"type": "string", "format": "date-time"},
                    {"type": "string", "pattern": "^[0-9]{1,19}$"},
                    *_NOTHING,
                ]
            }
        ),
    ] = Field(
        None,
        description="ISO 8601, or Unix time in s or ms: not handed over later than that",
        examples=["2030-01-31T18:00:00Z", 1896112800],
    )
    dlt_template_id: Annotated[Text, Field(max_length=100)] | None = None
    shorten_urls: _Flag = Field(None, description="Shorten every https URL in the text")
    short_url_domain: Annotated[
        Annotated[Text, Field(max_length=300)] | None,
        _OrNothing,
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "format": "host", "pattern": HOST_PATTERN},
                    *_NOTHING,
                ]
            }
        ),
    ] = Field(None, examples=["s.example.com"])
    track_short_url_clicks: _Flag = Field(None, description="Send CLICKED receipts to callbackUrl")
    track_link: _Flag = Field(None, description="Shorten the last https URL only, and track its clicks")
    append_http: _Flag = Field(None, description="false leaves https:// out of the short URLs")
    on_shorten_failure: Annotated[
        Literal["refuse", "send_long"] | None,
        _OrNothing,
        WithJsonSchema({"anyOf": [{"enum": ["refuse", "send_long"], "type": "string"}, *_NOTHING]}),
    ] = Field(None, description="refuse (the default) answers 503; send_long sends the URLs as they are")
