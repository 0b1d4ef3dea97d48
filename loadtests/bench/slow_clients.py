"""p99 of good traffic beside thousands of clients that are slow on purpose, by an open-model generator.

Two edges of one worker each take the same load in short turns, so that a slow spell of the machine hits both;
one of them has the slow clients as well, and stands still while the other is measured, for they share a core.
What is compared is the p99 over all requests of all turns. A turn of one second has one pause of 10 ms, by
whomever, for its p99: in 15 such turns it takes ten.

Slow clients are let be for 10 s, most of them. So they come in waves, and the turns of a wave take less.
"""

import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from loadtests.bench.figures import Section, Target
from loadtests.constant_rate import Offered, offer_from_load_core, pooled_percentile_ms
from loadtests.neighbours import RedisServer, Server, running_edge
from loadtests.processes import cpu_s, resident_bytes

TRICKLING: Final = 5_000
IDLE: Final = 5_000
DEAF: Final = 1_000
RATE: Final = 20_000.0  # good requests a second
SECONDS: Final = 1.0
WAVES: Final = 5
TURNS_A_WAVE: Final = 3
MOST_P99: Final = 1.2
MOST_KIB_EACH: Final = 64.0
IDLE_LOOKS: Final = 50
DEAF_HEAD: Final = b"GET /%b HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n\r\n"
DEAF_REQUESTS: Final = 1_000  # more answers than the buffers between hold


@dataclass(slots=True)
class _Taken:
    """What good traffic got from one of the edges, and the CPU that its worker used meanwhile."""

    runs: list[Offered] = field(default_factory=list)
    used_s: float = 0.0

    def offer(self, server: Server, codes: Path) -> None:
        before_s = cpu_s(server.pid)
        self.runs.append(offer_from_load_core(server.port, codes, rate=RATE, seconds=SECONDS))
        self.used_s += cpu_s(server.pid) - before_s

    @property
    def p99_ms(self) -> float:
        return pooled_percentile_ms(self.runs, 0.99)


@dataclass(slots=True)
class _Cost:
    """What slow clients cost a worker: CPU and memory for the deaf ones of one wave, most memory for all."""

    deaf_s: float
    deaf_bytes: float
    most_bytes: float


def slow_clients_section(folder: Path, redis: RedisServer, codes: Path) -> Section:
    """`codes` is a file of codes in `redis` that good traffic asks for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    flood = DEAF_HEAD % codes.read_bytes().partition(b"\n")[0] * DEAF_REQUESTS
    alone, beside, costs = _Taken(), _Taken(), list[_Cost]()
    with running_edge(folder / "quiet", redis) as first, running_edge(folder / "slow", redis) as second:
        quiet, slow = first.server, second.server
        before_bytes = resident_bytes(slow.pid)
        for _ in range(WAVES):
            with ExitStack() as clients:
                costs.append(_let_in_slow_clients(clients, slow, flood, before_bytes))
                for _ in range(TURNS_A_WAVE):
                    with _standing_still(slow.pid):
                        alone.offer(quiet, codes)
                    beside.offer(slow, codes)
            _wait_until_idle(slow.pid)
        grown_bytes = max(resident_bytes(slow.pid) - before_bytes, *(cost.most_bytes for cost in costs))
    each_kib = grown_bytes / (TRICKLING + IDLE + DEAF) / 1024
    failed = sum(run.failed for run in (*alone.runs, *beside.runs))
    note = (
        f"Who asks and does not read takes {costs[0].deaf_s / DEAF * 1e3:.1f} ms of CPU and "
        f"{costs[0].deaf_bytes / DEAF / 1024:.0f} KiB, until the buffers between are full."
    )
    return Section(
        "Slow clients",
        f"{TRICKLING:,} that have sent one byte of a request, {IDLE:,} idle ones, {DEAF:,} that ask and do "
        f"not read, as long as they may; beside them {RATE:,.0f} good requests a second, in turns with an "
        f"edge that has none. {WAVES} waves of slow clients with {TURNS_A_WAVE} turns of {SECONDS:g} s each; "
        "percentiles over all requests of all turns, and the p99 of the turn in the middle and the quietest "
        "one. CPU is all that the worker used meanwhile, for closing who stalled, too.",
        ("good traffic", "p50 ms", "p99 ms", "p99.9 ms", "median p99 ms", "quietest p99 ms", "CPU s"),
        [_row("alone", alone), _row("beside slow clients", beside)],
        [
            Target("p99 beside slow clients", beside.p99_ms / alone.p99_ms, MOST_P99, unit="x alone"),
            Target("memory a slow client", each_kib, MOST_KIB_EACH, unit="KiB"),
            Target("requests unanswered beside slow clients", failed, 0, unit=""),
        ],
        [note],
    )


def _row(name: str, taken: _Taken) -> tuple[str, ...]:
    p99s_ms = [run.p99_ms for run in taken.runs]
    return (
        name,
        f"{pooled_percentile_ms(taken.runs, 0.5):.2f}",
        f"{taken.p99_ms:.2f}",
        f"{pooled_percentile_ms(taken.runs, 0.999):.2f}",
        f"{median(p99s_ms):.2f}",
        f"{min(p99s_ms):.2f}",
        f"{taken.used_s:.2f}",
    )


def _let_in_slow_clients(stack: ExitStack, slow: Server, flood: bytes, before_bytes: int) -> _Cost:
    """Connect a wave of them, until `stack` closes, and return once the worker has nothing to do."""
    before_s = cpu_s(slow.pid)
    for _ in range(DEAF):
        _send_what_fits(stack.enter_context(_connect(slow.port)), flood)
    _wait_until_idle(slow.pid)
    deaf_s, deaf_bytes = cpu_s(slow.pid) - before_s, resident_bytes(slow.pid) - before_bytes
    for number in range(TRICKLING + IDLE):
        connection = stack.enter_context(_connect(slow.port))
        if number < TRICKLING:
            connection.send(b"G")
    _wait_until_idle(slow.pid)
    return _Cost(deaf_s, deaf_bytes, resident_bytes(slow.pid) - before_bytes)


@contextmanager
def _standing_still(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _connect(port: int) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect(("127.0.0.1", port))
    return connection


def _send_what_fits(connection: socket.socket, data: bytes) -> None:
    connection.setblocking(False)  # noqa: FBT003 - its one parameter
    connection.send(data)


def _wait_until_idle(pid: int) -> None:
    """Return when the process has nothing to do: all are let in, and answered until buffers are full."""
    while not all(_is_asleep_after(0.01, pid) for _ in range(IDLE_LOOKS)):
        time.sleep(0.1)


def _is_asleep_after(seconds: float, pid: int) -> bool:
    """Whether the process then waits for events; what waits for a busy core does not."""
    time.sleep(seconds)
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
