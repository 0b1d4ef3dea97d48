"""How far a Kafka partition has been stored: the offset that its group committed, and the string beside it.

The string is JSON of at most `offset.metadata.max.bytes` (4,096 by default):
`{"lineage": "9f86d081", "end": 1200, "left_out": [[1017, 1020]]}`, without `end` where nothing is planned.

A lineage is one unbroken run of positions. A new one begins where no commit of ours is found: with a new
topic, with one deleted and made again, with offsets that expired or that somebody reset. Tokens name the
lineage, so a range of one is never taken for the same offsets of another, which hold other clicks.
"""

import re
import secrets
from dataclasses import dataclass
from typing import Final, Self

import orjson

from ingest.sources.source import Spans

_LINEAGE: Final = re.compile(r"[0-9a-f]{8,32}\Z")


@dataclass(frozen=True, slots=True)
class KafkaPosition:
    """All before offset `stored` is stored; up to `planned_end` was about to be when it was written."""

    lineage: str
    stored: int
    planned_end: int | None = None
    left_out: Spans = ()

    @classmethod
    def begin(cls, offset: int) -> Self:
        """The first position of a new lineage."""
        return cls(secrets.token_hex(4), offset)

    @classmethod
    def parse(cls, offset: int, metadata: str) -> Self | None:
        """The position that was committed; None where it is none of ours."""
        try:
            fields = orjson.loads(metadata)
            lineage, end = fields["lineage"], fields.get("end")
            left_out = tuple((int(start), int(stop)) for start, stop in fields.get("left_out", ()))
            if not _LINEAGE.match(lineage):
                return None
            return cls(lineage, offset, None if end is None else int(end), left_out)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def metadata(self) -> str:
        """The string beside the offset."""
        fields: dict[str, object] = {"lineage": self.lineage}
        if self.planned_end is not None:
            fields["end"] = self.planned_end
        if self.left_out:
            fields["left_out"] = self.left_out
        return orjson.dumps(fields).decode()
