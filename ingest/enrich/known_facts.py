"""What was found out about texts, remembered: asked for a whole batch at a time."""

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Final, Generic, TypeVar

import numpy as np

from ingest.columns import CodedColumn

Fact = TypeVar("Fact", bound=Hashable)


class KnownFacts(Generic[Fact]):
    """The fact of each text that was asked for. Texts of the same fact share it.

    `find_all` answers each of some texts, in any order, with its fact. Forgets all once there would be more
    than `size` texts. For one thread at a time.
    """

    def __init__(self, find_all: Callable[[Collection[str]], Iterable[tuple[str, Fact]]], size: int) -> None:
        self.misses = 0
        self._find_all: Final = find_all
        self._size: Final = size
        self._codes: dict[str, int] = {}
        self._facts: dict[Fact, int] = {}

    def column(self, texts: Sequence[str]) -> CodedColumn:
        """The facts of these texts, each once."""
        found = list(map(self._codes.get, texts))
        if None in found:
            self._learn({text for text, code in zip(texts, found, strict=True) if code is None}, texts)
            found = list(map(self._codes.get, texts))
        codes = np.array(found, np.intp)
        used = np.flatnonzero(np.bincount(codes))
        places = np.zeros(len(self._facts), np.intp)
        places[used] = np.arange(len(used))
        facts = list(self._facts)
        return CodedColumn([facts[code] for code in used.tolist()], places[codes])

    def forget(self) -> None:
        self._codes.clear()
        self._facts.clear()

    def _learn(self, unknown: set[str], texts: Sequence[str]) -> None:
        if len(self._codes) + len(unknown) > self._size:
            self.forget()
            unknown = set(texts)
        self.misses += len(unknown)
        for text, fact in self._find_all(unknown):
            self._codes[text] = self._facts.setdefault(fact, len(self._facts))
