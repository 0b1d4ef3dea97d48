"""What was found out about texts, remembered: asked for a whole batch at a time.

Several kinds of facts are known of the same texts, so each text has one number for all of them: looking up a
text costs more than all that follows from its number.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ingest.columns import CodedColumn

Fact = TypeVar("Fact", bound=Hashable)
_UNKNOWN: Final = -1


@dataclass(frozen=True, slots=True)
class Numbered:
    """Texts and the number of each, all below `total`. Numbers of another `generation` mean other texts."""

    texts: Sequence[str]
    numbers: NDArray[np.intp]
    total: int
    generation: int


class TextNumbers:
    """Gives each text a number. Begins anew once there would be more than `size` texts. For one thread."""

    def __init__(self, size: int) -> None:
        self._size: Final = size
        self._generation = 0
        self._numbers: dict[str, int] = {}

    def of(self, texts: Sequence[str]) -> Numbered:
        known = self._numbers
        found = list(map(known.get, texts))
        if None in found:
            unknown = {text for text, number in zip(texts, found, strict=True) if number is None}
            if len(known) + len(unknown) > self._size:
                self._generation += 1
                known.clear()
                unknown = set(texts)
            known.update(zip(unknown, range(len(known), len(known) + len(unknown)), strict=True))
            found = list(map(known.get, texts))
        return Numbered(texts, np.array(found, np.intp), len(known), self._generation)


class KnownFacts(Generic[Fact]):
    """The fact of each text that was asked for. Texts of the same fact share it.

    `find_all` answers each of some texts, in any order, with its fact. For one thread at a time.
    """

    def __init__(self, find_all: Callable[[Collection[str]], Iterable[tuple[str, Fact]]]) -> None:
        self.misses = 0
        self._find_all: Final = find_all
        self._generation = 0
        self._codes = np.empty(0, np.intp)  # by the text's number
        self._facts: dict[Fact, int] = {}

    def column(self, texts: Numbered) -> CodedColumn:
        """The facts of these texts, each once."""
        if texts.generation != self._generation:
            self._generation = texts.generation
            self.forget()
        missing = texts.total - len(self._codes)
        self._codes = np.pad(self._codes, (0, missing), constant_values=_UNKNOWN)
        codes = self._codes[texts.numbers]
        if (codes == _UNKNOWN).any():
            self._learn(texts, np.flatnonzero(codes == _UNKNOWN))
            codes = self._codes[texts.numbers]
        used = np.flatnonzero(np.bincount(codes))
        places = np.zeros(len(self._facts), np.intp)
        places[used] = np.arange(len(used))
        facts = list(self._facts)
        return CodedColumn([facts[code] for code in used.tolist()], places[codes])

    def forget(self) -> None:
        self._codes = np.empty(0, np.intp)
        self._facts.clear()

    def _learn(self, texts: Numbered, rows: NDArray[np.intp]) -> None:
        numbers = {texts.texts[row]: texts.numbers[row] for row in rows.tolist()}
        self.misses += len(numbers)
        for text, fact in self._find_all(numbers.keys()):
            self._codes[numbers[text]] = self._facts.setdefault(fact, len(self._facts))
