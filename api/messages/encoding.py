"""How a text becomes the segments of an SMS: GSM 03.38 or UCS-2, 3GPP TS 23.038 and 23.040. Pure.

GSM-7 is the default alphabet with its extension table; national tables are not used, since phones that lack
them show other characters.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from aiosmpplib.codec import GSM_BASIC_ENCODE_MAP, GSM_EXTENDED_ENCODE_MAP

Encoding = Literal["GSM-7", "UCS-2", "8-bit"]
MAX_SEGMENTS: Final = 255  # a concatenation header counts in one byte

_EXTENSION: Final = frozenset(GSM_EXTENDED_ENCODE_MAP)
_ALPHABET: Final = frozenset(GSM_BASIC_ENCODE_MAP) | _EXTENSION


@dataclass(frozen=True, slots=True)
class _Capacity:
    """How many units one segment takes: alone, and as a part beside the concatenation header."""

    alone: int
    part: int


# Units are septets, UTF-16 code units and octets. A header of 6 octets takes 7 septets.
_CAPACITIES: Final[dict[Encoding, _Capacity]] = {
    "GSM-7": _Capacity(160, 153),
    "UCS-2": _Capacity(70, 67),
    "8-bit": _Capacity(140, 134),
}


def encoding_of(text: str) -> Encoding:
    """`GSM-7` where every character has its place in it, else `UCS-2`."""
    return "GSM-7" if _ALPHABET.issuperset(text) else "UCS-2"


def count_segments(text: str, encoding: Encoding) -> int:
    """How many segments the text takes, at least 1. `8-bit` texts are hexadecimal digits."""
    if encoding == "8-bit":
        return _divide(len(text) // 2, _CAPACITIES[encoding])
    units = _count_units(text, encoding)
    capacity = _CAPACITIES[encoding]
    if units == len(text) or units <= capacity.alone:
        return _divide(units, capacity)
    return sum(1 for _ in cut_segments(text, encoding))


def cut_segments(text: str, encoding: Literal["GSM-7", "UCS-2"]) -> Iterator[str]:
    """The text of each segment. An escape pair or a surrogate pair is never torn apart."""
    capacity = _CAPACITIES[encoding]
    if _count_units(text, encoding) <= capacity.alone:
        yield text
        return
    width = _WIDTHS[encoding]
    start = units = 0
    for at, char in enumerate(text):
        if units + width(char) > capacity.part:
            yield text[start:at]
            start, units = at, 0
        units += width(char)
    yield text[start:]


def _gsm_width(char: str) -> int:
    return 2 if char in _EXTENSION else 1


def _ucs_width(char: str) -> int:
    return 2 if char > "\uffff" else 1


_WIDTHS: Final[dict[Encoding, Callable[[str], int]]] = {"GSM-7": _gsm_width, "UCS-2": _ucs_width}


def _count_units(text: str, encoding: Encoding) -> int:
    if encoding == "GSM-7":
        return len(text) + sum(text.count(char) for char in _EXTENSION.intersection(text))
    return len(text.encode("utf-16-be")) // 2


def _divide(units: int, capacity: _Capacity) -> int:
    if units <= capacity.alone:
        return 1
    return -(-units // capacity.part)
