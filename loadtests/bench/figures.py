"""What a part of the benchmark found: tables of figures, and targets that are met or missed."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

_HOLDS: Final = {"at most": operator.le, "at least": operator.ge}


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that has a bound."""

    name: str
    value: float
    bound: float
    kind: Literal["at most", "at least"] = "at most"
    unit: str = "x nginx"

    @property
    def is_met(self) -> bool:
        return bool(_HOLDS[self.kind](self.value, self.bound))


@dataclass(frozen=True, slots=True)
class Section:
    """One part's findings. `text` tells how they were measured; rows are cells as they are shown."""

    title: str
    text: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
