"""How many clicks each spool on this machine has taken: its last record's number, read off its end."""

import os
from pathlib import Path
from typing import Final

import orjson

from edge.contract import MAX_LINE_BYTES, SEGMENT_NAME, SOURCE_NAME, unframe

TAIL_BYTES: Final = 64 * 1024


def read_last_seqs(folder: Path) -> dict[int, int]:
    """The number of the last whole record of each source in the folder; none where there is no folder.

    Sources that were read to their end and removed are not here. Raises `OSError` where the disk fails.
    """
    if not folder.is_dir():
        return {}
    last_seqs = {}
    for source in folder.iterdir():
        if SOURCE_NAME.match(source.name):
            try:
                last_seqs[int(source.name)] = _last_seq(source)
            except FileNotFoundError:
                continue  # removed at this moment
    return last_seqs


def _last_seq(source: Path) -> int:
    """0 where there is no record."""
    for segment in sorted((path for path in source.iterdir() if SEGMENT_NAME.match(path.name)), reverse=True):
        for wanted_bytes in (TAIL_BYTES, 2 * MAX_LINE_BYTES):
            seq = _last_seq_of_lines(_tail(segment, wanted_bytes))
            if seq:
                return seq
    return 0


def _last_seq_of_lines(tail: bytes) -> int:
    for line in reversed(tail.split(b"\n")[:-1]):
        json = unframe(line)
        if json is not None:
            seq = _seq(json)
            if seq:
                return seq
    return 0


def _seq(json: bytes) -> int:
    """0 for a record that is no event."""
    try:
        event = orjson.loads(json)
    except orjson.JSONDecodeError:
        return 0
    seq = event.get("seq") if isinstance(event, dict) else None
    return seq if type(seq) is int else 0


def _tail(segment: Path, wanted_bytes: int) -> bytes:
    with segment.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - wanted_bytes))
        return file.read()
