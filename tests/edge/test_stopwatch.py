"""The stopwatch that promises in seconds are held against: it excuses the machine, not the code."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import process_time, sleep

from tests.fixtures.stopwatch import stopwatch

STOPPED_S = 0.3
PROGRAM = """
import sys
from time import monotonic
from tests.fixtures.stopwatch import stopwatch
begun = stopwatch.start()
print("started", flush=True)
sys.stdin.readline()
print(monotonic() - begun, stopwatch.elapsed_s(begun), flush=True)
"""


def test_what_the_machine_took_is_left_out() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        os.kill(process.pid, signal.SIGSTOP)
        sleep(STOPPED_S)  # is what is measured
        os.kill(process.pid, signal.SIGCONT)
        print(file=process.stdin, flush=True)
        passed_s, elapsed_s = map(float, process.stdout.readline().split())
    assert passed_s >= STOPPED_S
    assert 0 <= elapsed_s <= passed_s - STOPPED_S * 0.9


def test_what_the_code_took_is_not() -> None:
    begun = stopwatch.start()
    used_s = process_time()
    while process_time() - used_s < STOPPED_S:
        pass
    assert stopwatch.elapsed_s(begun) >= STOPPED_S * 0.9
