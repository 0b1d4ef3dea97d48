"""A child's life under the supervisor, with small programs in the place of the real ones."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from deploy.standalone.child import Child

IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up', flush=True)
time.sleep(600)
"""
FORKS_A_WORKER = """
import os, time
worker = os.fork()
if worker:
    print('up', os.getpid(), worker, flush=True)
time.sleep(600)
"""


class Lines:
    """What a child was heard to say."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str]] = []
        self._more = asyncio.Event()

    def say(self, _name: str, line: str) -> None:
        self.heard.append((time.monotonic(), line))
        self._more.set()

    @property
    def texts(self) -> list[str]:
        return [line for _, line in self.heard]

    async def wait_for(self, word: str, count: int = 1) -> None:
        async with asyncio.timeout(180):
            while sum(word in line for line in self.texts) < count:
                self._more.clear()
                await self._more.wait()


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
async def run(lines: Lines, tmp_path: Path) -> AsyncIterator[Callable[[str], Child]]:
    """Starts a child that runs a piece of Python."""
    started = []
    with (tmp_path / "lock").open("w") as lock:

        def start(program: str) -> Child:
            child = Child(
                "child",
                [sys.executable, "-I", "-S", "-c", program],
                environment=dict(os.environ),
                lock_file=lock.fileno(),
                say=lines.say,
            )
            child.start()
            started.append(child)
            return child

        yield start
        for child in started:
            await child.stop(5.0)


async def test_passes_on_its_output_line_by_line(run: Callable[[str], Child], lines: Lines) -> None:
    run(
        "import sys, time; print('one'); print('two', file=sys.stderr); print('x' * 200_000); time.sleep(600)"
    )
    await lines.wait_for("one")
    await lines.wait_for("two")


async def test_passes_on_a_line_longer_than_any_buffer_and_bytes_that_are_no_text(
    run: Callable[[str], Child], lines: Lines
) -> None:
    run("import sys; sys.stdout.buffer.write(b'x' * 300_000 + b'\\xff end\\n')")
    await lines.wait_for("\ufffd end")
    assert sum(line.count("x") for line in lines.texts if "starting it again" not in line) >= 300_000


@pytest.mark.parametrize(
    ("life", "delays"),
    [
        ("ended with status 7 and was never ready", ["0", "0.5", "1", "2"]),
        ("ended with status 7", ["0", "0.1", "0.2", "0.5", "1", "1"]),
    ],
)
async def test_is_started_again_at_once_then_later_the_more_so_where_it_never_served(
    run: Callable[[str], Child], lines: Lines, life: str, delays: list[str]
) -> None:
    run("raise SystemExit(7)").was_ready = "never ready" not in life
    await lines.wait_for(f"{life}; starting it again in", count=len(delays))
    ends = [(at, line.split(" in ")[1]) for at, line in lines.heard if "starting it again" in line]
    assert [delay for _, delay in ends[: len(delays)]] == [f"{delay} s" for delay in delays]
    for (before_s, _), (after_s, _), delay in zip(ends, ends[1:], delays, strict=False):
        assert after_s - before_s >= float(delay)


async def test_one_that_ignores_sigterm_is_killed_when_its_time_is_up(
    run: Callable[[str], Child], lines: Lines
) -> None:
    child = run(IGNORES_SIGTERM)
    await lines.wait_for("up")
    began = time.monotonic()
    await child.stop(0.5)
    assert time.monotonic() - began >= 0.5
    assert "did not end in time: killed" in lines.texts


async def test_stopped_while_it_waits_for_its_next_start_it_does_not_start(
    run: Callable[[str], Child], lines: Lines
) -> None:
    child = run("raise SystemExit(1)")
    await lines.wait_for("in 0.5 s")
    heard = len(lines.heard)
    await child.stop(5.0)
    assert len(lines.heard) == heard


async def test_workers_of_a_killed_program_end_before_its_successor_starts(
    run: Callable[[str], Child], lines: Lines
) -> None:
    run(FORKS_A_WORKER)
    await lines.wait_for("up")
    [line] = [line for line in lines.texts if line.startswith("up")]
    program, worker = (psutil.Process(int(pid)) for pid in line.split()[1:])
    program.kill()
    await lines.wait_for("starting it again")
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
