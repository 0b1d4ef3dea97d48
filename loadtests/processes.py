"""What the kernel knows of a process: CPU time, resident memory, instructions."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def resident_bytes(pid: int) -> int:
    """Physical memory that the process has mapped, what it shares included."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def can_count_instructions() -> bool:
    """Whether `perf` may count a process's instructions here."""
    if shutil.which("perf") is None:
        return False
    probe = ["perf", "stat", "-x,", "-e", "instructions:u", "--", "true"]
    counted = subprocess.run(probe, capture_output=True, text=True, check=False)
    return counted.stderr[:1].isdigit()


def counting_instructions(pid: int, command: list[str], path: Path) -> list[str]:
    """The command, wrapped so that `path` has the instructions of `pid` in user space meanwhile."""
    return ["perf", "stat", "-x,", "-e", "instructions:u", "-p", str(pid), "-o", str(path), "--", *command]


def counted_instructions(path: Path) -> int:
    """What `counting_instructions` wrote."""
    return int(next(line for line in path.read_text().splitlines() if line[:1].isdigit()).split(",")[0])
