"""In how many buckets the codes stand, and how that number grows while links are served. Pure.

The key `code_buckets` holds `<n>`, or `<n>:<2n>` while every bucket is being split in two; where it is
missing, there are `FIRST_BUCKETS`. Invariants:

1. A field stands in bucket `crc32 mod n`; while buckets are split, in that one or in `crc32 mod 2n`. The two
   are the same for half of the fields.
2. The key says that buckets are being split before the first field moves, and until the last one has.
3. A field moves at one stroke. So whoever asks the old bucket first, the new one next, finds it in one of the
   two.
4. A code is claimed in its new bucket, unless the old one has it, by a script that first checks the key
   against the layout its caller goes by.
5. Redis tells of a change of the key on the connection that asks, before it answers anything later. So a miss
   counts only if no such news came between question and answer.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

LAYOUT_KEY: Final = b"code_buckets"
FIRST_BUCKETS: Final = 16
FULL_FIELDS: Final = 100
"""A bucket's fields, on average, from which on all are split.

Redis keeps up to 512 as a listpack, but searches it field by field: claiming a code costs a third of what it
does with 200, for half a byte more a code.
"""


@dataclass(frozen=True, slots=True)
class CodeLayout:
    """`buckets` is a power of two; `is_splitting` while each of them becomes two."""

    buckets: int = FIRST_BUCKETS
    is_splitting: bool = False

    @classmethod
    def from_bytes(cls, value: bytes | None) -> Self:
        """The layout as the key's value tells it. Raises `ValueError`."""
        if value is None:
            return cls()
        buckets, colon, doubled = value.partition(b":")
        layout = cls(int(buckets), bool(colon))
        if layout.buckets < 1 or layout.to_bytes() != value:
            raise ValueError(f"{LAYOUT_KEY.decode()} holds {(buckets, doubled)}, which is no layout of codes")
        return layout

    def to_bytes(self) -> bytes:
        return b"%d:%d" % (self.buckets, 2 * self.buckets) if self.is_splitting else b"%d" % self.buckets

    def key(self, field: bytes) -> bytes:
        """The key of the field's bucket; while buckets are split, of its old one."""
        return b"code:%d" % (zlib.crc32(field) % self.buckets)

    def keys(self, field: bytes) -> tuple[bytes, bytes]:
        """The keys of the field's old and new bucket: ask the first first. The same one twice, mostly."""
        crc = zlib.crc32(field)
        old = b"code:%d" % (crc % self.buckets)
        return old, (b"code:%d" % (crc % (2 * self.buckets)) if self.is_splitting else old)

    def new_buckets(self, fields: Iterable[bytes]) -> list[int]:
        """The number of each field's bucket; while buckets are split, of its new one."""
        buckets = 2 * self.buckets if self.is_splitting else self.buckets
        return [zlib.crc32(field) % buckets for field in fields]

    @classmethod
    def with_room_for(cls, codes: int) -> Self:
        """For a store without codes, so that so many need no split; no more, as a bucket costs 90 bytes."""
        buckets = FIRST_BUCKETS
        while buckets * FULL_FIELDS <= codes:
            buckets *= 2
        return cls(buckets)

    def begin_split(self) -> "CodeLayout":
        return CodeLayout(self.buckets, is_splitting=True)

    def end_split(self) -> "CodeLayout":
        return CodeLayout(2 * self.buckets)
