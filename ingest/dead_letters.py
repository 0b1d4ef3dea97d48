"""Dead letters: events that are no clicks, kept as files so that none is lost and someone can look.

One file a range, `<folder>/<partition>/<start>-<end>.jsonl`, written after the range was planned and before
it is committed. A range that is read again writes the same file again, so each dead letter is there once.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import orjson

from ingest.batches import DeadLetter
from ingest.sources.source import Range


class DeadLetters:
    """The folder of dead letters. Each line is `{"origin", "reason", "detail", "value"}`.

    `origin` is the partition and the position behind the event; `value` is its text, or, where that is no
    UTF-8, `value_hex` holds its bytes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, batch: Range, letters: Sequence[DeadLetter]) -> None:
        """Keep a range's dead letters. Survives power loss. Raises `OSError`."""
        folder = self._folder / batch.partition
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{batch.start:020d}-{batch.end:020d}.jsonl"
        unfinished = path.with_suffix(".tmp")
        with unfinished.open("wb") as file:
            file.writelines(_line(batch.partition, letter) for letter in letters)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)


def _line(partition: str, letter: DeadLetter) -> bytes:
    fields = {"origin": f"{partition}:{letter.position}", "reason": letter.reason, "detail": letter.detail}
    try:
        fields["value"] = letter.value.decode()
    except UnicodeDecodeError:
        fields["value_hex"] = letter.value.hex()
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
