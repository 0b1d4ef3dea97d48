"""From the bytes on the bus to a typed click, strictly: what passes here, the warehouse takes.

There are two ways, and a test holds them to each other. Nearly every event takes the short one: msgspec reads
it into a `Click` and checks it meanwhile. What that refuses is taken or refused by the long way, which also
knows orphans, fields of newer edges, and what is wrong. Events by the thousand, if all are as edges write
them, take a third: `ingest/decode_columns.py`.

More than half of an event is headers, and phones of a kind send the same. Edges write them last, so that part
is read once and then remembered by its bytes.
"""

from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Annotated, Any, Final, Literal, NoReturn, get_args

import msgspec
import orjson

from edge.contract import Outcome, Route

EVENT_VERSION: Final = 1
MAX_TEXT_CHARS: Final = 2048
MAX_TS_MS: Final = 4_102_444_800_000  # 2100-01-01; the rollup's 32-bit seconds end in 2106
MAX_ID: Final = 2**63 - 1

Method = Literal["GET", "HEAD"]
Channel = Literal["redirect", "app"]
"""How a click came to us: by our own redirect, or reported by an app whose system had opened the link."""
DeadReason = Literal[
    "not_json", "not_an_object", "unknown_version", "missing_field", "wrong_type", "wrong_value"
]
DEAD_REASONS: Final[tuple[DeadReason, ...]] = get_args(DeadReason)


_Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARS)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT_CHARS)]


class Headers(
    msgspec.Struct,
    frozen=True,
    gc=False,  # it makes no cycles, and batches of them need not be looked through for some
    forbid_unknown_fields=True,
    rename={"user_agent": "ua"},
):
    """What a click's event says from `ua` on: nothing that is the click's alone, so clicks share it."""

    user_agent: Text
    referer: Text
    language: Text
    signals: dict[str, str]
    channel: Channel = "redirect"


_NO_HEADERS: Final = Headers("", "", "", {})


class Click(
    msgspec.Struct,
    gc=False,  # as above
    forbid_unknown_fields=True,
    tag_field="v",
    tag=EVENT_VERSION,
    rename={"ts_ms": "ts"},
):
    """One answered request for a code, as the edge knew it. Field meanings: `edge/clicks.py`.

    `link` is 0 and `tenant` is "" for an orphan; the bounds here are those of all others. Nobody changes it
    once it is decoded.
    """

    source: _Id
    seq: _Id
    ts_ms: Annotated[int, msgspec.Meta(ge=1, le=MAX_TS_MS)]
    host: _Name
    code: _Name
    link: _Id
    tenant: _Name
    personal: bool
    method: Method
    route: Route
    outcome: Outcome
    ip: Text
    headers: Headers = _NO_HEADERS


class UndecodableError(ValueError):
    """The bytes are no click event. `reason` is of a closed set, the text says which field and why."""

    def __init__(self, reason: DeadReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


# In the order of the fields of `Click` and `Headers`, so that the checked values are their arguments.
_TYPES: Final[tuple[tuple[str, type], ...]] = (
    ("source", int),
    ("seq", int),
    ("ts", int),
    ("host", str),
    ("code", str),
    ("link", int),
    ("tenant", str),
    ("personal", bool),
    ("method", str),
    ("route", str),
    ("outcome", str),
    ("ip", str),
    ("ua", str),
    ("referer", str),
    ("language", str),
    ("signals", dict),
)
_CHOICES: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("method", frozenset(get_args(Method))),
    ("route", frozenset(get_args(Route))),
    ("outcome", frozenset(get_args(Outcome))),
)
_fields = itemgetter(*(name for name, _ in _TYPES))
_HEADERS_FROM: Final = [name for name, _ in _TYPES].index("ua")
_KINDS: Final = tuple(kind for _, kind in _TYPES)
_CHANNELS: Final = get_args(Channel)
_BOUNDS: Final = (("source", 1, MAX_ID), ("seq", 1, MAX_ID), ("link", 0, MAX_ID), ("ts", 1, MAX_TS_MS))
_NAMES: Final = ("host", "code")
_TEXTS: Final = (*_NAMES, "tenant", "ip", "ua", "referer", "language")

_read_click = msgspec.json.Decoder(Click).decode
_read_headers = msgspec.json.Decoder(Headers).decode
BEGINNING: Final = (
    b'{"v":%d,' % EVENT_VERSION
)  # as the edge writes it; msgspec takes events without a version
HEADERS_MARK: Final = b',"ua":'  # within a string its quotes would be escaped
_LEAST_BEFORE_HEADERS: Final = len(
    b'{"v":1,"source":1,"seq":1,"ts":1,"code":"x","link":1,"tenant":"x","personal":true,"method":"GET",'
    b'"route":"ios","outcome":"gone","ip":"","host":"x"'
)
HEADERS_REMEMBERED: Final = 16_384
MAX_REMEMBERED_BYTES: Final = 1_024  # so that they take 50 MB at most


def decode(value: bytes) -> Click:
    """The click in a JSON event. Unknown fields are passed over. Raises `UndecodableError`."""
    headers_at = value.find(HEADERS_MARK, _LEAST_BEFORE_HEADERS)
    if headers_at < 0 or not value.startswith(BEGINNING):
        return decode_at_length(value)
    try:
        click = _read_click(value[:headers_at] + b"}")
        if click.headers is not _NO_HEADERS:  # it stands in the event, where no such thing belongs
            return decode_at_length(value)
        click.headers = headers_of(value[headers_at + len(HEADERS_MARK) :])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return decode_at_length(value)
    if click.route == "none" or click.outcome == "not_found":
        return decode_at_length(value)
    return click


def headers_of(rest: bytes) -> Headers:
    """The headers in what is behind `HEADERS_MARK`. Raises `msgspec.DecodeError`, `UnicodeDecodeError`."""
    return (_remembered if len(rest) <= MAX_REMEMBERED_BYTES else _parse_headers)(rest)


def _parse_headers(rest: bytes) -> Headers:
    return _read_headers(b'{"ua":' + rest)


_remembered: Final = lru_cache(HEADERS_REMEMBERED)(_parse_headers)


def decode_at_length(value: bytes) -> Click:
    """As `decode`, by the long way alone."""
    try:
        event: Any = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise UndecodableError("not_json", str(error)) from None
    if type(event) is not dict:
        raise UndecodableError("not_an_object", f"the event is a {type(event).__name__}")
    if event.get("v") != EVENT_VERSION:
        raise UndecodableError("unknown_version", f"v is {_shown(event.get('v'))}, not {EVENT_VERSION}")
    values: tuple[Any, ...]
    try:
        values = _fields(event)
    except KeyError:
        values = ()
    if tuple(map(type, values)) != _KINDS:  # exactly: a bool is no number here
        _refuse_type(event)
    _check_values(event)
    _check_texts(event)
    channel = event.get("channel", "redirect")
    if channel not in _CHANNELS:
        raise UndecodableError("wrong_value", f"channel is {_shown(channel)}")
    headers = (*values[_HEADERS_FROM:], channel)
    fields = (*values[:_HEADERS_FROM], Headers(*headers))
    return Click(*fields)


def _check_values(event: Mapping[str, Any]) -> None:
    for name, lowest, highest in _BOUNDS:
        if not lowest <= event[name] <= highest:
            raise UndecodableError(
                "wrong_value", f"{name} is {event[name]}, not within {lowest} to {highest}"
            )
    for name, choices in _CHOICES:
        if event[name] not in choices:
            raise UndecodableError("wrong_value", f"{name} is {_shown(event[name])}")
    is_orphan = event["outcome"] == "not_found"
    signs = (event["link"] == 0, event["tenant"] == "", event["route"] == "none")
    if any(sign != is_orphan for sign in signs) or (is_orphan and event["personal"]):
        raise UndecodableError("wrong_value", "an orphan, and no other click, has no link, tenant and route")


def _check_texts(event: Mapping[str, Any]) -> None:
    for name in _NAMES:
        if not event[name]:
            raise UndecodableError("wrong_value", f"{name} is empty")
    for name in _TEXTS:
        if len(event[name]) > MAX_TEXT_CHARS:
            raise UndecodableError("wrong_value", f"{name} has more than {MAX_TEXT_CHARS} characters")
    for name, signal in event["signals"].items():
        if type(signal) is not str:
            raise UndecodableError("wrong_type", f"signal {_shown(name)} is no string")


def _refuse_type(event: Mapping[str, Any]) -> NoReturn:
    """Say which field is the first that is missing or of a wrong type."""
    name, kind = next((name, kind) for name, kind in _TYPES if type(event.get(name)) is not kind)
    if name not in event:
        raise UndecodableError("missing_field", f"{name} is missing")
    raise UndecodableError("wrong_type", f"{name} is {_shown(event[name])}, not of type {kind.__name__}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
