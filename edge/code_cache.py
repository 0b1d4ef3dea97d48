"""A bounded cache of which link a code leads to."""

from typing import Final
from zlib import crc32  # of a few bytes it takes half the time of ISA-L's

from mypy_extensions import i64

WAYS: Final = 2
NOTHING: Final = b""


class CodeCache:
    """At most `entries` codes (the fields of `edge.codes.code_field`), each with its link's number in digits.

    A two-way set-associative cache: a code has two places, by its CRC-32, and a new one takes that of the
    two which was used longer ago. So nothing is ever searched for what to evict, no table ever grows and
    none is freed at once, which took a dict of 43,690 codes 0.5 and 5 ms. What is used more often than
    others come to its place stays.
    """

    __slots__ = ("_places", "_sets")

    def __init__(self, entries: int) -> None:
        self._sets: i64 = max(1, entries // WAYS)
        self.clear()

    def __len__(self) -> int:
        return sum(1 for field in self._places[::2] if field)

    def get(self, field: bytes) -> bytes | None:
        places = self._places
        at = i64(crc32(field)) % self._sets * 4
        if places[at] == field:
            return places[at + 1]
        if places[at + 2] != field:
            return None
        number = places[at + 3]
        places[at + 2], places[at + 3] = places[at], places[at + 1]
        places[at], places[at + 1] = field, number
        return number

    def put(self, field: bytes, number: bytes) -> None:
        """Keep a code that is not there yet, or is by the same link."""
        places = self._places
        at = i64(crc32(field)) % self._sets * 4
        if places[at] != field:
            places[at + 2], places[at + 3] = places[at], places[at + 1]
            places[at], places[at + 1] = field, number

    def clear(self) -> None:
        self._places: list[bytes] = [NOTHING] * (int(self._sets) * WAYS * 2)
        """Sets one after the other, each a field and its number, and those that were used before them."""
