"""How long a drill is: short in the suite, long where `SMARTLINKS_LONG_DRILLS=1` (docs/reliability.md)."""

import os
import sys

IS_LONG = os.environ.get("SMARTLINKS_LONG_DRILLS") == "1"


def report(figures: str) -> None:
    """Show what a drill measured; pytest shows it with `-rP` or `-s`."""
    sys.stdout.write(f"{figures}\n")


def length(short: int, long: int) -> int:
    return long if IS_LONG else short
