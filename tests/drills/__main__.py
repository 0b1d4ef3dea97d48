"""The long drills: `python -m tests.drills [NAME ...] [--write docs/reliability.md]`.

A name chooses all drills that begin with it. First come those that only count, two at a time, then those that
promise seconds, one by one. Ends with 1 where one did not hold.
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Final

from tests.drills.every import DRILLS, Drill
from tests.drills.report import Line, Outcome, write_table

AT_A_TIME: Final = 2  # as many as there are cores at the least; they wait more than they compute


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=_epilog()
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between FILE's markers")
    options = parser.parse_args()
    unknown = [name for name in options.names if not any(drill.name.startswith(name) for drill in DRILLS)]
    if unknown:
        parser.error(
            f"no drill begins with {unknown[0]!r}; there are {', '.join(each.name for each in DRILLS)}"
        )
    chosen = [each for each in DRILLS if not options.names or each.name.startswith(tuple(options.names))]
    began_s = time.monotonic()
    lines = []
    for line in _run_all(chosen):
        lines.append(line)
        took = f"{line.took_s:.0f} s, {(time.monotonic() - began_s) / 60:.0f} min in all"
        _say(f"{len(lines)}/{len(chosen)} {line.name}: {'held' if line.holds else 'MISSED'} after {took}")
        for told in (line.outcome.came, *line.outcome.misses):
            _say(f"    {told}")
        if options.write is not None:
            write_table(options.write, lines, [each.name for each in DRILLS])
    _say("\n" + "\n".join(map(str, lines)))
    missed = [line.name for line in lines if not line.holds]
    _say(
        f"\n{len(lines) - len(missed)} of {len(lines)} held"
        + (f"; missed: {', '.join(missed)}" if missed else "")
    )
    return 1 if missed else 0


def _run_all(chosen: Sequence[Drill]) -> Iterator[Line]:
    """In the order in which they end."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for done in as_completed([pool.submit(_run, drill) for drill in chosen if not drill.is_timed]):
            yield done.result()
    yield from map(_run, (drill for drill in chosen if drill.is_timed))


def _run(drill: Drill) -> Line:
    _say(f"{drill.name}: {drill.promised} ...")
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="drill-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        try:
            outcome = drill.run(Path(folder))
        except Exception as error:  # noqa: BLE001 - a drill that breaks has missed; the others are run
            traceback.print_exc()
            outcome = Outcome(
                "it broke off", (f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",)
            )
    return Line(drill.name, drill.promised, outcome, time.monotonic() - began_s)


def _epilog() -> str:
    return "\n".join(f"{each.name:<20}{each.promised}" for each in DRILLS)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
