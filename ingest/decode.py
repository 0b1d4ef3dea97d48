"""From the bytes on the bus to a typed click, strictly: what passes here, the warehouse takes."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, NoReturn, get_args

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


class Click(NamedTuple):
    """One answered request for a code, as the edge knew it. Field meanings: `edge/clicks.py`."""

    source: int
    seq: int
    ts_ms: int
    host: str
    code: str
    link: int
    tenant: str
    personal: bool
    method: Method
    route: Route
    outcome: Outcome
    ip: str
    user_agent: str
    referer: str
    language: str
    signals: Mapping[str, str]
    channel: Channel = "redirect"


class UndecodableError(ValueError):
    """The bytes are no click event. `reason` is of a closed set, the text says which field and why."""

    def __init__(self, reason: DeadReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


# In the order of `Click`'s fields, so that the checked values are its arguments.
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
_KINDS: Final = tuple(kind for _, kind in _TYPES)
_METHODS: Final = frozenset(get_args(Method))
_LINKED_ROUTES: Final = frozenset(get_args(Route)) - {"none"}
_LINKED_OUTCOMES: Final = frozenset(get_args(Outcome)) - {"not_found"}
_CHANNELS: Final = get_args(Channel)
_BOUNDS: Final = (("source", 1, MAX_ID), ("seq", 1, MAX_ID), ("link", 0, MAX_ID), ("ts", 1, MAX_TS_MS))
_NAMES: Final = ("host", "code")
_TEXTS: Final = (*_NAMES, "tenant", "ip", "ua", "referer", "language")


def decode(value: bytes) -> Click:
    """The click in a JSON event. Unknown fields are passed over. Raises `UndecodableError`."""
    try:
        event: Any = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise UndecodableError("not_json", str(error)) from None
    if type(event) is not dict:
        raise UndecodableError("not_an_object", f"the event is a {type(event).__name__}")
    if event.get("v") != EVENT_VERSION:
        raise UndecodableError("unknown_version", f"v is {_shown(event.get('v'))}, not {EVENT_VERSION}")
    try:
        values = _fields(event)
    except KeyError:
        values = ()
    if tuple(map(type, values)) != _KINDS:  # exactly: a bool is no number here
        _refuse_type(event)
    if not _is_ordinary(*values):
        _check_values(event)
        _check_texts(event)
    channel = event.get("channel", "redirect")
    if channel not in _CHANNELS:
        raise UndecodableError("wrong_value", f"channel is {_shown(channel)}")
    return Click._make((*values, channel))


def _is_ordinary(
    source: int,
    seq: int,
    ts: int,
    host: str,
    code: str,
    link: int,
    tenant: str,
    _personal: bool,  # noqa: FBT001 - the fields, in their order
    method: str,
    route: str,
    outcome: str,
    *others: Any,
) -> bool:
    """Whether nothing can be wrong with these values: a quick look that spares most clicks the long one."""
    *texts, signals = others
    return (
        0 < source <= MAX_ID
        and 0 < seq <= MAX_ID
        and 0 < ts <= MAX_TS_MS
        and 0 < link <= MAX_ID
        and method in _METHODS
        and route in _LINKED_ROUTES
        and outcome in _LINKED_OUTCOMES
        and 0 < len(host) <= MAX_TEXT_CHARS
        and 0 < len(code) <= MAX_TEXT_CHARS
        and 0 < len(tenant) <= MAX_TEXT_CHARS
        and max(map(len, texts)) <= MAX_TEXT_CHARS
        and (not signals or set(map(type, signals.values())) == {str})
    )


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
