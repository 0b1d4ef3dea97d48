"""All drills, in the order in which they are run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.drills import processes
from tests.drills.report import Outcome


@dataclass(frozen=True, slots=True)
class Drill:
    """`run` has the long form's counts as its defaults; it gets an empty folder."""

    name: str
    promised: str
    run: Callable[[Path], Outcome]


DRILLS: Final = (
    Drill(
        "ingest",
        "kill -9 of ingest after fetch, before, during and after insert, after commit: exact",
        processes.kill_ingest,
    ),
    Drill("shipper", "kill -9 of the shipper: exact", processes.kill_shipper),
    Drill("workers", "kill -9 of the edge's workers: exact; back within 2 s", processes.kill_workers),
)
