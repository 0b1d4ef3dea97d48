"""The long drills, one after another: `python -m tests.drills [NAME ...] [--write docs/reliability.md]`.

A name chooses all drills that begin with it. Ends with 1 where one did not hold.
"""

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.drills.every import DRILLS, Drill
from tests.drills.report import Line, Outcome, write_table


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
    lines = []
    for number, drill in enumerate(chosen, 1):
        _say(f"{number}/{len(chosen)} {drill.name}: {drill.promised}")
        line = _run(drill)
        _say(f"    {'held' if line.holds else 'MISSED'} after {line.took_s:.0f} s: {line.outcome.came}")
        for miss in line.outcome.misses:
            _say(f"    {miss}")
        lines.append(line)
        if options.write is not None:
            write_table(options.write, lines, [each.name for each in DRILLS])
    _say("\n" + "\n".join(map(str, lines)))
    return 0 if all(line.holds for line in lines) else 1


def _run(drill: Drill) -> Line:
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
