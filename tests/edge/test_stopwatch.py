"""How promises in seconds are held: the stopwatch excuses the machine, not the code; breaks must repeat."""

import inspect
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from time import process_time, sleep

import pytest

from tests.fixtures.stopwatch import stopwatch

ROOT = Path(__file__).parents[2]
STOPPED_S = 0.3
PROMISE = re.compile(r"\bpromised_s=|\bstopwatch\.check\(|\bcheck_promise\(|\bBrokenPromiseError\(")
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
import pytest
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN, BrokenPromiseError

pytestmark = RUN_AGAIN_IF_BROKEN
made = {"session": 0, "module": 0, "function": 0}
runs = []

def make(scope):
    made[scope] += 1
    yield made[scope]
    runs.append(scope)

@pytest.fixture(scope="session")
def of_session():
    yield from make("session")

@pytest.fixture(scope="module")
def of_module(of_session):
    yield from make("module")

@pytest.fixture
async def of_function(of_module):
    for number in make("function"):
        yield number

def breaks(name, times):
    runs.append(name)
    if runs.count(name) <= times:
        raise BrokenPromiseError(f"{name} is late")

def test_fault():
    breaks("fault", 3)

def test_wrong():
    runs.append("wrong")
    assert runs.count("wrong") == 2, "not a BrokenPromiseError: wrong"

def test_wrong_at_the_second_run():
    breaks("second", 1)
    runs.append("wrong at second")
    assert runs.count("wrong at second") == 2

async def test_noise(of_function, of_module):
    breaks("noise", 2)
    assert made == {"session": 1, "module": 1, "function": 3}
    assert runs[-4:] == ["function", "noise", "function", "noise"]
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


@pytest.mark.parametrize("side_by_side", [(), ("-n", "1", "--dist", "loadfile")])
def test_only_a_broken_promise_is_tried_again_and_it_is_told(
    tmp_path: Path, side_by_side: tuple[str, ...]
) -> None:
    (tmp_path / "test_promises.py").write_text(TESTS)
    settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *settings, *side_by_side, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    told = done.stdout.splitlines()
    assert "3 failed, 1 passed, 5 rerun" in told[-1], done.stdout + done.stderr
    for name, reruns in (("fault", 2), ("wrong", 0), ("wrong_at_the_second_run", 1), ("noise", 2)):
        assert told.count(f"RERUN test_promises.py::test_{name}") == reruns, done.stdout
    assert "noise is late" in done.stdout


def test_whoever_promises_seconds_is_run_again(request: pytest.FixtureRequest) -> None:
    """In the modules of this run, which is all of them where the whole suite runs."""
    tests = {item.function: item for item in request.session.items if isinstance(item, pytest.Function)}
    for test in tests.values():
        promises = PROMISE.search(inspect.getsource(test.function)) and test.path != Path(__file__)
        is_run_again = test.get_closest_marker("flaky") is not None
        assert is_run_again or not promises, f"mark {test.nodeid} RUN_AGAIN_IF_BROKEN"
        assert not (is_run_again and "subtests" in test.fixturenames), f"{test.nodeid} must have no subtests"
