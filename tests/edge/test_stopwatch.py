"""How promises in seconds are held: the stopwatch excuses the machine, not the code; breaks must repeat."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import process_time, sleep

from tests.fixtures.stopwatch import stopwatch

ROOT = Path(__file__).parents[2]
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

TESTS = """
from tests.fixtures.stopwatch import BrokenPromiseError

runs = []

def breaks(name, times):
    runs.append(name)
    if runs.count(name) <= times:
        raise BrokenPromiseError(f"{name} is late")

def test_noise():
    breaks("noise", 2)

def test_fault():
    breaks("fault", 3)

def test_wrong():
    runs.append("wrong")
    assert runs.count("wrong") == 2
"""


def test_what_the_machine_took_is_left_out() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
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


def test_only_a_broken_promise_is_tried_again_and_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.fixtures.promises"]\n')
    (tmp_path / "test_promises.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:schemathesis", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "FAILED test_promises.py::test_fault" in done.stdout
    assert "FAILED test_promises.py::test_wrong" in done.stdout
    assert "test_promises.py::test_noise: noise is late; noise is late" in done.stdout
