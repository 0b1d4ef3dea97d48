"""How far a spooled source has been stored: `position.json` beside its segments.

A plan must be on disk before its insert is sent, even through a power cut: a reader that has forgotten it
would cut other batches, under other tokens, and store their clicks twice. So a plan is synced together with
its name. A commit's content is synced, its name is not: what a power cut can bring back is the plan, and
doing that again adds nothing.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import orjson

POSITION_NAME: Final = "position.json"


class PositionDamagedError(Exception):
    """`position.json` can't be understood. To guess would be to count twice or not at all."""


@dataclass(frozen=True, slots=True)
class Position:
    """All before byte `stored` is stored; `plan`, `(start, end)`, was about to be when it was written."""

    stored: int = 0
    plan: tuple[int, int] | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The source's position; zero where none was written yet. Raises `PositionDamagedError`."""
        path = folder / POSITION_NAME
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return cls()
        try:
            fields = orjson.loads(content)
            stored, plan = int(fields["position"]), fields["plan"]
            return cls(stored, None if plan is None else (int(plan["start"]), int(plan["end"])))
        except (ValueError, TypeError, KeyError) as error:
            raise PositionDamagedError(
                f"{path} is damaged ({error!r}): write into it how far this source is stored, as "
                '{"position": <byte>, "plan": null}'
            ) from None

    def save(self, folder: Path) -> None:
        """Replace the file whole. Blocks until a plan is safe from a power cut."""
        plan = None if self.plan is None else {"start": self.plan[0], "end": self.plan[1]}
        new = folder / f"{POSITION_NAME}.new"
        with new.open("wb") as file:
            file.write(orjson.dumps({"position": self.stored, "plan": plan}))
            file.flush()
            os.fsync(file.fileno())
        new.rename(folder / POSITION_NAME)
        if plan is not None:
            folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder_fd)
            finally:
                os.close(folder_fd)
