"""Does what was asked for dead letters, each letter once, whoever dies in between. One process at a time.

A replay is claimed first: the letters get numbers of a source made for them, in `dead_letter_outcomes`, with
the values to replay. Then they are inserted under that source's token, then marked as replayed, and only then
are the letters, the wishes and the values deleted. A claim left unfinished is finished under the same token.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from edge.contract import new_source_id
from ingest.contract import (
    ReplayEnrichment,
    Row,
    UndecodableError,
    Warehouse,
    decode_as,
    month_bounds_ms,
)

# The versions of an outcome, in the order in which they win over one another; 1 is an erasure's.
_DECIDED: Final = 1
_CLAIMED: Final = 2
_REPLAYED: Final = 3
_log = logging.getLogger(__name__)
LETTERS_A_CLAIM: Final = 10_000

_WISHES: Final = f"""
SELECT partition, position, max(letters.source), max(letters.seq),
    argMin(action, requested_at), hex(argMin(requests.value, requested_at))
FROM dead_letter_requests AS requests INNER JOIN dead_letters AS letters USING (partition, position)
WHERE (partition, position) NOT IN (SELECT partition, position FROM dead_letter_outcomes)
GROUP BY partition, position
ORDER BY partition, position
LIMIT {LETTERS_A_CLAIM}
"""
_UNFINISHED: Final = """
SELECT partition, position, source, seq, hex(value), replay_source
FROM dead_letter_outcomes FINAL WHERE outcome = 'replaying'
ORDER BY replay_source, replay_seq
"""
# Left where somebody died before deleting, too.
_SETTLED: Final = """
(partition, position) IN (
    SELECT partition, position FROM dead_letter_outcomes FINAL WHERE outcome != 'replaying'
)
"""


@dataclass(frozen=True, slots=True)
class Replay:
    """A letter and what it is replayed as. `source` and `seq` are the letter's own, as far as known."""

    partition: str
    position: int
    source: int
    seq: int
    value: bytes


def settle_dead_letters(warehouse: Warehouse, enrichment: ReplayEnrichment) -> int:
    """Do what was asked and not done yet; how many letters were replayed. Blocks."""
    replayed = _finish(warehouse, enrichment)
    wishes = warehouse.query(_WISHES)
    discarded = [_letter(row) for row in wishes if row[4] == "discard"]
    if discarded:
        _decide(warehouse, discarded, "discarded", _DECIDED)
    wanted = [_letter(row) for row in wishes if row[4] == "replay"]
    for replays in _by_month(wanted).values():
        _decide(warehouse, replays, "replaying", _CLAIMED, replay_source=new_source_id(_now_ms()))
    if wanted:
        replayed += _finish(warehouse, enrichment)
    _delete_settled(warehouse)
    return replayed


def _finish(warehouse: Warehouse, enrichment: ReplayEnrichment) -> int:
    """Insert what was claimed and mark it; what was inserted before adds nothing."""
    claims: dict[int, list[Replay]] = {}
    for row in warehouse.query(_UNFINISHED):
        claims.setdefault(int(row[5]), []).append(_letter((*row[:4], "", row[4])))
    for replay_source, replays in claims.items():
        clicks = [decode_as(each.value, source=replay_source, seq=seq) for seq, each in enumerate(replays, 1)]
        warehouse.insert(
            "clicks", enrichment.columns(clicks, now_ms=_now_ms()), token=f"replay:{replay_source}"
        )
        done = [replace(each, value=b"") for each in replays]
        _decide(warehouse, done, "replayed", _REPLAYED, replay_source=replay_source)
    return sum(len(replays) for replays in claims.values())


def _letter(row: Row) -> Replay:
    """Of partition, position, source, number, action and the value in hex."""
    partition, position, source, seq, action, value = row
    text = bytes.fromhex(value) if action != "discard" else b""
    return Replay(str(partition), int(position), int(source), int(seq), text)


def _by_month(replays: Sequence[Replay]) -> Mapping[tuple[int, int], list[Replay]]:
    """One insert is one block of one month, so that it is stored as a whole or not at all."""
    months: dict[tuple[int, int], list[Replay]] = {}
    for replay in replays:
        try:
            click = decode_as(replay.value)
        except UndecodableError as error:  # it was asked of another version, which could read it
            _log.warning("dead letter %s:%d can't be replayed: %s", replay.partition, replay.position, error)
            continue
        months.setdefault(month_bounds_ms(click.ts_ms), []).append(replay)
    return months


def _decide(
    warehouse: Warehouse, letters: Sequence[Replay], outcome: str, version: int, *, replay_source: int = 0
) -> None:
    warehouse.insert(
        "dead_letter_outcomes",
        {
            "partition": [letter.partition for letter in letters],
            "position": [letter.position for letter in letters],
            "source": [letter.source for letter in letters],
            "seq": [letter.seq for letter in letters],
            "outcome": [outcome] * len(letters),
            "replay_source": [replay_source] * len(letters),
            "replay_seq": list(range(1, len(letters) + 1)) if replay_source else [0] * len(letters),
            "value": [letter.value for letter in letters],
            "version": [version] * len(letters),
            "decided_at": [_now_ms()] * len(letters),
        },
        token=f"{outcome}:{replay_source or time.time_ns()}",
    )


def _delete_settled(warehouse: Warehouse) -> None:
    for table in ("dead_letters", "dead_letter_requests"):
        if warehouse.query(f"SELECT 1 FROM {table} WHERE {_SETTLED} LIMIT 1"):
            warehouse.command(f"DELETE FROM {table} WHERE {_SETTLED}")
    if warehouse.query("SELECT 1 FROM dead_letter_outcomes WHERE value != '' LIMIT 1"):
        warehouse.command(f"DELETE FROM dead_letter_outcomes WHERE outcome = 'replaying' AND {_SETTLED}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
