"""What a request changed, noted where it is changed and collected by the middleware around it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Final

import orjson

MAX_CHANGES: Final = 1000  # of one request; what a stream of lines changes beyond that is only counted


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was changed. Digests are SHA-256 of its JSON in hex; None where there was nothing."""

    kind: str
    id: str
    before: str | None
    after: str | None


class Changes:
    """The changes of one request: the first `MAX_CHANGES` of them, and how many there were."""

    def __init__(self) -> None:
        self.kept: list[Change] = []
        self.count = 0

    def add(self, change: Change) -> None:
        self.count += 1
        if len(self.kept) < MAX_CHANGES:
            self.kept.append(change)


_changes: ContextVar[Changes | None] = ContextVar("changes", default=None)


@contextmanager
def collect_changes() -> Iterator[Changes]:
    """What is noted meanwhile, by this task and those that it starts."""
    changes = Changes()
    token = _changes.set(changes)
    try:
        yield changes
    finally:
        _changes.reset(token)


def note_change(kind: str, id_: str, *, before: object = None, after: object = None) -> None:
    """Note that a thing was changed: made where `before` is None, deleted where `after` is.

    Both are frozen documents, or anything else that JSON can hold. Does nothing outside of a request.
    """
    changes = _changes.get()
    if changes is not None:
        changes.add(Change(kind, id_, _digest(before), _digest(after)))


def _digest(document: object) -> str | None:
    if document is None:
        return None
    value: Any = asdict(document) if is_dataclass(document) and not isinstance(document, type) else document
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
