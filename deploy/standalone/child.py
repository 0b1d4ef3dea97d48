"""A program that the supervisor keeps running: started again when it dies, its output passed on."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

# Before the next start of one that served once, by how many of its lives in a row were short: it was killed,
# or what it needs is away for a while.
DELAYS_S: Final = (0.0, 0.1, 0.2, 0.5, 1.0)
# Of one that never served: its settings are wrong, most likely, and its next start won't mend them.
DELAYS_NEVER_READY_S: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
HEALTHY_AFTER_S: Final = 10.0
_CHUNK_BYTES: Final = 65_536
_LEFTOVERS_END_WITHIN_S: Final = 2.0
_TETHER: Final = Path(__file__).with_name("tether.py")


class Child:
    """One program in a session of its own, so that a Ctrl-C reaches it only through the supervisor.

    It dies with this process, holds `lock_file` open while it lives, and speaks through `say(name, line)`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        lock_file: int,
        say: Callable[[str, str], None],
    ) -> None:
        self.name = name
        self.was_ready = False
        """Whether any of its lives served; its starter says so."""
        self._command = (sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *command)
        self._environment = dict(environment)
        self._lock_file = lock_file
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._keeper = asyncio.create_task(self._keep_running(), name=self.name)

    async def stop(self, within_s: float) -> None:
        """SIGTERM, and SIGKILL where it hasn't ended `within_s`. Its output is passed on to the end."""
        self._stopping = True
        if self._keeper is None:
            return
        if self._process is None:  # waiting to be started again
            self._keeper.cancel()
        else:
            _signal_session(self._process.pid, signal.SIGTERM, whole=False)
        _, running = await asyncio.wait([self._keeper], timeout=within_s)
        if running and self._process is not None:
            self._say(self.name, "did not end in time: killed")
            _signal_session(self._process.pid, signal.SIGKILL, whole=True)
            await asyncio.wait([self._keeper])

    async def _keep_running(self) -> None:
        failures = 0
        while not self._stopping:
            started_s = time.monotonic()
            status = await self._run()
            if self._stopping:
                return
            if time.monotonic() - started_s >= HEALTHY_AFTER_S:
                failures = 0
            delay_s = _delay_s(failures, was_ready=self.was_ready)
            failures += 1
            never = "" if self.was_ready else " and was never ready"
            self._say(self.name, f"{_describe(status)}{never}; starting it again in {delay_s:g} s")
            await asyncio.sleep(delay_s)

    async def _run(self) -> int:
        # Not asyncio's own pipe: with that, a program counts as ended only when all who hold the pipe have.
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=theirs.fileno(),
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                pass_fds=(self._lock_file,),
            )
        self._process = process
        reader, writer = await asyncio.open_connection(sock=ours)
        output = asyncio.create_task(self._pass_on(reader))
        status = await process.wait()
        await _end_leftovers(process.pid)
        await output
        writer.close()
        self._process = None
        return status

    async def _pass_on(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await stream.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _CHUNK_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._say(self.name, line.decode(errors="replace"))
        if rest:
            self._say(self.name, rest.decode(errors="replace"))


async def _end_leftovers(session: int) -> None:
    """A program that was killed may leave workers: they go before it is started again."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline_s = time.monotonic() + _LEFTOVERS_END_WITHIN_S
        there = _signal_session(session, number, whole=True)
        while there and time.monotonic() < deadline_s:
            await asyncio.sleep(0.02)
            there = _signal_session(session, 0, whole=True)


def _signal_session(pid: int, number: int, *, whole: bool) -> bool:
    """False where nobody is left to get it."""
    try:
        (os.killpg if whole else os.kill)(pid, number)
    except ProcessLookupError:
        return False
    return True


def _delay_s(failures: int, *, was_ready: bool) -> float:
    delays_s = DELAYS_S if was_ready else DELAYS_NEVER_READY_S
    return delays_s[min(failures, len(delays_s) - 1)]


def _describe(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"
