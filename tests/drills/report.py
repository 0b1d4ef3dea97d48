"""What a drill found, and the table of all that were run."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- drills: begin, written by make drills -->"
END: Final = "<!-- drills: end -->"
_HEAD: Final = ("| drill | what is promised | what came of it | took | |", "| --- | --- | --- | --- | --- |")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`came` has the counts; `misses` says what was promised and did not hold."""

    came: str
    misses: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Line:
    """One drill as it was run. `promised` is its text, `took_s` seconds."""

    name: str
    promised: str
    outcome: Outcome
    took_s: float

    @property
    def holds(self) -> bool:
        return not self.outcome.misses

    def __str__(self) -> str:
        came = "; ".join((self.outcome.came, *self.outcome.misses)).replace("|", "/").replace("\n", " ")
        held = "held" if self.holds else "**missed**"
        return f"| {self.name} | {self.promised} | {came} | {self.took_s:.0f} s | {held} |"


def write_table(path: Path, lines: Iterable[Line], order: Iterable[str]) -> None:
    """Put the lines between the markers of a document; lines of drills that were not run stay as they are.

    `order` has the names of all drills. Raises `ValueError` where the document has no markers.
    """
    before, found, rest = path.read_text("utf-8").partition(BEGIN)
    table, ends, after = rest.partition(END)
    if not found or not ends:
        raise ValueError(f"{path} has no lines {BEGIN} and {END}")
    rows = {_name(row): row for row in table.strip().splitlines()[len(_HEAD) :]}
    rows |= {line.name: str(line) for line in lines}
    ordered = [rows[name] for name in order if name in rows]
    path.write_text("\n".join((before + BEGIN, *_HEAD, *ordered, END)) + after, "utf-8")


def _name(row: str) -> str:
    return row.split("|")[1].strip()
