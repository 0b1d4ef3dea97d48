"""The kinds of fields that bodies and parameters are made of: what fits, and what to say where it doesn't."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, WithJsonSchema
from pydantic.config import JsonDict

from api.urls import MAX_URL_BYTES, normalise_url
from edge.contract import CUSTOM, SUFFIX

MAX_NAME_CHARS: Final = 200
MAX_LABEL_CHARS: Final = 100
MAX_REFERENCE_CHARS: Final = 256

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(2299, 1, 1, tzinfo=UTC)  # about where the warehouse's dates end
_MILLISECOND = timedelta(milliseconds=1)
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _read_instant(value: object) -> object:
    if not isinstance(value, str) or not _RFC_3339.match(value):
        how = "such as 2030-01-31T18:00:00+01:00"
        if isinstance(value, str) and _RFC_3339.match("+".join(value.rsplit(" ", 1))):
            how = "and a + in a query is written %2B"
        raise ValueError(f"A time is wanted in RFC 3339 with its zone offset, {how}")
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
    if _CONTROL_CHARACTERS.search(value):
        raise ValueError("Control characters can't stand here")
    return value


def _check_label(value: str) -> str:
    if not value or value != value.strip():
        raise ValueError("Neither empty nor with spaces at its ends")
    return _check_text(value)


def _read_integer(value: object) -> object:
    """In JSON 580.0 is the integer 580 (RFC 8259, JSON Schema 2020-12); true and "580" are none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("A whole number is wanted here")  # noqa: TRY004 - pydantic makes a flaw of it
    return value


def _refuse_change(_: object) -> None:
    raise ValueError("Fixed once the link is made; leave it out, or make a new link")


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_read_instant, json_schema_input_type=str),
    AfterValidator(_check_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2030-01-31T18:00:00Z"]}),
]
URL_SCHEMA: Final[JsonDict] = {
    "type": "string",
    "format": "uri",
    "maxLength": MAX_URL_BYTES,
    "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://",
    "examples": ["https://www.example.com/spring?from=sms"],
}
Url = Annotated[
    str,
    AfterValidator(normalise_url),
    WithJsonSchema(URL_SCHEMA),
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
HOST_PATTERN: Final = r"^[^\s/?#@\\]{1,260}$"
"""What a host with an optional port has at least; the document's format `host` says the rest."""
_TEXT_PATTERN: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
_LABEL_PATTERN: Final = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
WHOLE_NUMBER: Final = BeforeValidator(_read_integer)
# For the document alone: our own validators tell what is wrong in better words.
_AS_TEXT: Final = Field(json_schema_extra={"pattern": _TEXT_PATTERN})
_AS_LABEL: Final = Field(json_schema_extra={"pattern": _LABEL_PATTERN})
Fixed = Annotated[None, BeforeValidator(_refuse_change)]
Name = Annotated[str, Field(max_length=MAX_NAME_CHARS), AfterValidator(_check_text), _AS_TEXT]
Text = Annotated[str, AfterValidator(_check_text), _AS_TEXT]
Label = Annotated[
    str, Field(max_length=MAX_LABEL_CHARS, min_length=1), AfterValidator(_check_label), _AS_LABEL
]
Recipient = Annotated[str, Field(max_length=MAX_REFERENCE_CHARS), AfterValidator(_check_label), _AS_LABEL]
Reference = Annotated[str, Field(max_length=MAX_REFERENCE_CHARS), AfterValidator(_check_text), _AS_TEXT]


def instant_of(unix_ms: int) -> datetime:
    return _EPOCH + unix_ms * _MILLISECOND


def ms_of(instant: datetime) -> int:
    """Unix time in ms, rounded down."""
    return (instant - _EPOCH) // _MILLISECOND
