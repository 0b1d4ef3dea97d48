"""The destinations of a request: one or many, a number each or an object with its own substitutions. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from api.problems import Flaw, pointer_to

MAX_CORRELATION_ID_CHARS: Final = 256
MAX_SUBSTITUTION_CHARS: Final = 4096

_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{5,14})\Z")
_PUNCTUATION: Final = re.compile(r"[ ().-]")
_CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_FIELDS: Final = frozenset({"to", "msisdn", "substitutions", "correlationId"})


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom a message goes to. `recipient` is E.164 with its plus sign; `flaw` says why it can't be one."""

    to: str
    recipient: str
    correlation_id: str = ""
    substitutions: Mapping[str, str] = field(default_factory=dict)
    flaw: Flaw | None = None


def read_destinations(value: Any) -> Iterator[Destination]:
    """Every destination of a body's `to`, with what is wrong with it.

    An object may list several numbers, which share its fields.
    """
    if isinstance(value, list):
        for at, one in enumerate(value):
            yield from _read(one, ("to", at))
    else:
        yield from _read(value, ("to",))


def read_number(text: str) -> str | None:
    """The number in E.164 with its plus sign; None where it is none."""
    number = _NUMBER.match(_PUNCTUATION.sub("", text.removeprefix("00")))
    return None if number is None else f"+{number[1]}"


def read_substitutions(value: Any) -> dict[str, str]:
    """Names and their texts; numbers and booleans as JSON writes them. Raises `ValueError`."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("A JSON object of names and their texts is wanted here")  # noqa: TRY004 - a body's value
    return {name: _read_text(name, each) for name, each in value.items()}


def _read(value: Any, path: tuple[str | int, ...]) -> Iterator[Destination]:
    if isinstance(value, str):
        yield _destination(value, path)
        return
    if not isinstance(value, dict):
        yield _refused("", path, "A number, or an object with a number in to, is wanted here")
        return
    name = "msisdn" if "msisdn" in value and "to" not in value else "to"
    numbers = value.get(name)
    listed = isinstance(numbers, list)
    for at, number in enumerate(numbers if isinstance(numbers, list) else [numbers]):
        place = (*path, name, at) if listed else (*path, name)
        yield _read_object(number, value, path, place)


def _read_object(
    number: Any, value: dict[str, Any], path: tuple[str | int, ...], place: tuple[str | int, ...]
) -> Destination:
    to = number if isinstance(number, str) else ""
    if not isinstance(number, str):
        return _refused(to, place, "A number is wanted here, as a string")
    for name in value:
        if name not in _FIELDS:
            return _refused(to, (*path, name), "Not a known field; leave it out")
    correlation_id = value.get("correlationId")
    if correlation_id is not None and not is_correlation_id(correlation_id):
        return _refused(to, (*path, "correlationId"), CORRELATION_ID_WANTED)
    try:
        substitutions = read_substitutions(value.get("substitutions"))
    except ValueError as error:
        return _refused(to, (*path, "substitutions"), str(error))
    return _destination(to, place, correlation_id or "", substitutions)


CORRELATION_ID_WANTED: Final = (
    f"A string of at most {MAX_CORRELATION_ID_CHARS} characters without control characters is wanted here"
)


def is_correlation_id(value: Any) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= MAX_CORRELATION_ID_CHARS
        and not _CONTROL_CHARACTERS.search(value)
    )


def _destination(
    to: str,
    place: tuple[str | int, ...],
    correlation_id: str = "",
    substitutions: Mapping[str, str] | None = None,
) -> Destination:
    recipient = read_number(to)
    if recipient is None:
        return _refused(
            to, place, "Not a telephone number in E.164, such as +447700900123", correlation_id=correlation_id
        )
    return Destination(to, recipient, correlation_id, substitutions or {})


def _refused(to: str, place: tuple[str | int, ...], detail: str, *, correlation_id: str = "") -> Destination:
    return Destination(to, "", correlation_id, {}, Flaw(detail, pointer=pointer_to(*place)))


def _read_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str | int | float):
        text = str(value)
    else:
        raise ValueError(f"{name}: a string, a number or a boolean is wanted here")  # noqa: TRY004 - same
    if len(text) > MAX_SUBSTITUTION_CHARS or _CONTROL_CHARACTERS.search(text):
        raise ValueError(
            f"{name}: at most {MAX_SUBSTITUTION_CHARS:,} characters,"
            " and no control characters but line breaks and tabs"
        )
    return text
