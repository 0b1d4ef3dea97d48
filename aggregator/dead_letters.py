"""What people do with dead letters: look at them, and ask that they be replayed, mended or not, or discarded.

A wish is only written down here; `aggregator/replay.py` grants it. The first wish for a letter counts.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import orjson

from ingest.contract import CursorError, DeadReason, UndecodableError, Warehouse, decode_as

# Of what one wish for all letters of a reason takes at a time.
LETTERS_A_WISH: Final = 10_000

Action = Literal["replay", "discard"]
Origin = tuple[str, int]
"""Partition, and the position behind the event there."""

_OPEN: Final = "(partition, position) NOT IN (SELECT partition, position FROM dead_letter_outcomes)"
_UNASKED: Final = "(partition, position) NOT IN (SELECT partition, position FROM dead_letter_requests)"
_LISTED: Final = f"""
SELECT partition, position, reason, detail, died_at,
    if(isValidUTF8(value), value, hex(value)) AS text, isValidUTF8(value) AS is_text,
    (partition, position) IN (SELECT partition, position FROM dead_letter_requests) AS is_asked
FROM dead_letters FINAL
WHERE {_OPEN} AND ({{reason:String}} = '' OR reason = {{reason:String}})
    AND (partition, position) > ({{partition:String}}, {{position:UInt64}})
ORDER BY partition, position
LIMIT {{limit:UInt32}}
"""


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """A dead letter that waits. `value` is its text, or, where that is no UTF-8, `value_hex` its bytes."""

    origin: str
    reason: str
    detail: str
    value: str | None
    value_hex: str | None
    died_at: datetime
    is_asked: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """A letter that can't be replayed as it is."""

    origin: str
    reason: DeadReason
    detail: str


def format_origin(origin: Origin) -> str:
    return f"{origin[0]}:{origin[1]}"


def parse_origin(text: str) -> Origin:
    """Raises `ValueError`."""
    partition, _, position = text.rpartition(":")
    if not partition or not position.isdecimal() or int(position) >= 2**64:
        raise ValueError("an origin is a partition and a position, such as 2079283823847:1234")
    return partition, int(position)


def list_dead_letters(
    warehouse: Warehouse, *, reason: DeadReason | None, limit: int, cursor: str | None
) -> tuple[list[OpenLetter], str | None]:
    """A page of letters of which nothing has become yet, and the next cursor. Raises `CursorError`."""
    partition, position = ("", 0) if cursor is None else _read_cursor(cursor)
    rows = warehouse.query(
        _LISTED, {"reason": reason or "", "partition": partition, "position": position, "limit": limit + 1}
    )
    letters = [
        OpenLetter(
            origin=format_origin((row[0], row[1])),
            reason=row[2],
            detail=row[3],
            died_at=row[4],
            value=row[5] if row[6] else None,
            value_hex=None if row[6] else row[5].lower(),
            is_asked=bool(row[7]),
        )
        for row in rows[:limit]
    ]
    return letters, _cursor_after(letters[-1].origin) if len(rows) > limit else None


def find_letters(
    warehouse: Warehouse, *, origins: Sequence[Origin] | None, reason: DeadReason | None
) -> dict[Origin, bytes]:
    """The values of open letters for which nobody has asked anything, at most `LETTERS_A_WISH` of them.

    Of these origins, or, where that is None, of this reason, or of any.
    """
    chosen, parameters = "true", dict[str, object]()
    if origins is not None:
        chosen = (
            "(partition, position) IN"
            " (SELECT arrayJoin(arrayZip({partitions:Array(String)}, {positions:Array(UInt64)})))"
        )
        parameters["partitions"] = [partition for partition, _ in origins]
        parameters["positions"] = [position for _, position in origins]
    elif reason is not None:
        chosen = "reason = {reason:String}"
        parameters["reason"] = reason
    rows = warehouse.query(
        f"SELECT partition, position, hex(value) FROM dead_letters FINAL WHERE {_OPEN} AND {_UNASKED}"
        f" AND {chosen} ORDER BY partition, position LIMIT {LETTERS_A_WISH}",
        parameters,
    )
    return {(str(partition), int(position)): bytes.fromhex(value) for partition, position, value in rows}


def ask_for_replay(
    warehouse: Warehouse,
    letters: Mapping[Origin, bytes],
    mended: Mapping[Origin, bytes],
    *,
    now_ms: int,
    request_id: str,
) -> tuple[int, list[Refusal]]:
    """Ask that these letters be replayed, each as it is mended where it is; how many, and which can't be."""
    values = {origin: mended.get(origin, value) for origin, value in letters.items()}
    refusals = []
    for origin, value in values.items():
        try:
            decode_as(value)
        except UndecodableError as error:
            refusals.append(Refusal(format_origin(origin), error.reason, str(error)))
    refused = {refusal.origin for refusal in refusals}
    good = {origin: value for origin, value in values.items() if format_origin(origin) not in refused}
    _ask(warehouse, good, "replay", now_ms=now_ms, request_id=request_id)
    return len(good), refusals


def ask_for_discard(
    warehouse: Warehouse, letters: Mapping[Origin, bytes], *, now_ms: int, request_id: str
) -> int:
    """Ask that these letters be deleted; how many those are."""
    _ask(warehouse, dict.fromkeys(letters, b""), "discard", now_ms=now_ms, request_id=request_id)
    return len(letters)


def _ask(
    warehouse: Warehouse, values: Mapping[Origin, bytes], action: Action, *, now_ms: int, request_id: str
) -> None:
    warehouse.insert(
        "dead_letter_requests",
        {
            "partition": [partition for partition, _ in values],
            "position": [position for _, position in values],
            "action": [action] * len(values),
            "value": list(values.values()),
            "requested_at": [now_ms] * len(values),
        },
        token=request_id,
    )


def _cursor_after(origin: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(origin)).decode().rstrip("=")


def _read_cursor(cursor: str) -> Origin:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return parse_origin(orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True)))
    except (ValueError, AttributeError, binascii.Error):
        raise CursorError("the cursor is not one that a page of dead letters ended with") from None
