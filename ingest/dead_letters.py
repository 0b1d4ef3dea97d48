"""Dead letters: events that are no clicks, kept in the warehouse so that none is lost and someone can look.

One seam for every bus: a letter is known by its origin, the partition and the position behind it, so a range
that is read again writes the same letters again, and each is there once.
"""

import time
from collections.abc import Sequence
from typing import Literal

import orjson

from edge.contract import SOURCE_NAME
from ingest.batches import DeadLetter
from ingest.decode import MAX_ID
from ingest.sources.source import Range
from ingest.warehouse import Warehouse

PassedOver = Literal["damaged", "repeated"]


class DeadLetters:
    """Writes the tables `dead_letters` and `passed_over_records`. Every method blocks.

    Raises what the warehouse raises.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def write(self, batch: Range, letters: Sequence[DeadLetter]) -> None:
        """Keep a range's dead letters; after the range was planned and before it is committed."""
        writers = [_writer_of(batch.partition, letter.value) for letter in letters]
        self._warehouse.insert(
            "dead_letters",
            {
                "partition": [batch.partition] * len(letters),
                "position": [letter.position for letter in letters],
                "source": [source for source, _ in writers],
                "seq": [seq for _, seq in writers],
                "reason": [letter.reason for letter in letters],
                "detail": [letter.detail for letter in letters],
                "value": [letter.value for letter in letters],
                "died_at": [_now_ms()] * len(letters),
            },
            token=batch.token,
        )

    def pass_over(self, batch: Range, reason: PassedOver, records: int) -> None:
        """Count records that ended with this range and are no events at all, for the ledger."""
        self._warehouse.insert(
            "passed_over_records",
            {
                "partition": [batch.partition],
                "start": [batch.start],
                "end": [batch.end],
                "reason": [reason],
                "records": [records],
                "passed_at": [_now_ms()],
            },
            token=f"{batch.token}:{reason}",
        )


def _writer_of(partition: str, value: bytes) -> tuple[int, int]:
    """Source and number there, as far as can be told; a spool's partition is named by its source."""
    spool = int(partition) if SOURCE_NAME.match(partition) else 0
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError:
        return spool, 0
    if not isinstance(event, dict):
        return spool, 0
    source = _id(event.get("source"))
    if spool not in {0, source}:
        return spool, 0  # it lies about its source, so its number means nothing either
    return source, _id(event.get("seq")) if source else 0


def _id(value: object) -> int:
    return value if type(value) is int and 0 < value <= MAX_ID else 0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
