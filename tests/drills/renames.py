"""ingest killed at each rename that it makes: of plans, of positions, of the parts of tables and views."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import orjson

from tests.drills.report import Outcome
from tests.fixtures.system import ROOT
from tests.ingest.test_runner_kills import Spools, assert_counted_once, ingest

CLICKS: Final = 900  # two batches
WITHIN_S: Final = 300


def kill_at_renames(folder: Path) -> Outcome:
    """Kill it at its first rename, then at its second, until it has no more; each time there are new clicks.

    A rename is what makes a file count, so this meets each state that a death can leave. Threads are counted
    by themselves.
    """
    strace = shutil.which("strace")
    if strace is None:
        return Outcome("nothing", ("strace is missing: apt-get install strace",))
    assert ingest(folder).returncode == 0  # makes the tables
    spools = Spools(folder)
    kills = 0
    while True:
        dead = spools.open_writer()
        spools.spool(dead, CLICKS)
        spools.close(dead)
        inject = f"inject=rename,renameat,renameat2:signal=KILL:when={1 + kills}"
        traced = [strace, "-f", "-qq", "-o", str(folder / "trace"), "-e", "trace=rename,renameat,renameat2"]
        program = [sys.executable, "-m", "tests.ingest.ingest_program", str(folder), "none", "1"]
        done = subprocess.run(
            [*traced, "-e", inject, *program],
            cwd=ROOT,
            capture_output=True,
            check=False,
            timeout=WITHIN_S,
        )
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        kills += 1
    counts = orjson.loads(done.stdout)
    came = f"{kills} kills; {sum(spools.spooled.values()):,} clicks of {len(spools.spooled)} spools"
    try:
        assert_counted_once(spools, counts)
    except AssertionError as error:
        return Outcome(came, (str(error),))
    return Outcome(f"{came}, each stored and counted once")
