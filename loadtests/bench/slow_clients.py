"""p99 of good traffic beside thousands of clients that are slow on purpose, by an open-model generator.

Two edges of one worker each take the same load in turns; one of them has the slow clients as well.
"""

import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

from loadtests.bench.figures import Section, Target
from loadtests.constant_rate import Offered, offer_from_load_core
from loadtests.neighbours import RedisServer, running_edge
from loadtests.processes import cpu_s, resident_bytes

TRICKLING: Final = 5_000
IDLE: Final = 5_000
DEAF: Final = 1_000
RATE: Final = 5_000.0  # good requests a second
SECONDS: Final = 1.0
TURNS: Final = 5  # about as long as slow clients are let be: those that stall are closed after 10 s
MOST_P99: Final = 1.2
MOST_KIB_EACH: Final = 64.0
IDLE_LOOKS: Final = 50
DEAF_HEAD: Final = b"GET /%b HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n\r\n"
DEAF_REQUESTS: Final = 1_000  # more answers than the buffers between hold


def slow_clients_section(folder: Path, redis: RedisServer, codes: Path) -> Section:
    """`codes` is a file of codes in `redis` that good traffic asks for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    flood = DEAF_HEAD % codes.read_bytes().partition(b"\n")[0] * DEAF_REQUESTS
    alone: list[Offered] = []
    beside: list[Offered] = []
    with ExitStack() as stack:
        quiet = stack.enter_context(running_edge(folder / "quiet", redis))
        slow = stack.enter_context(running_edge(folder / "slow", redis))
        pid = slow.server.pid
        before_bytes, before_s = resident_bytes(pid), cpu_s(pid)
        for _ in range(DEAF):
            _send_what_fits(stack.enter_context(_connect(slow.port)), flood)
        _wait_until_idle(pid)
        deaf_bytes, deaf_s = resident_bytes(pid) - before_bytes, cpu_s(pid) - before_s
        for number in range(TRICKLING + IDLE):
            connection = stack.enter_context(_connect(slow.port))
            if number < TRICKLING:
                connection.send(b"G")
        _wait_until_idle(pid)
        grown_bytes = resident_bytes(pid) - before_bytes
        alone_s, beside_s = -cpu_s(quiet.server.pid), -cpu_s(pid)
        for _ in range(TURNS):
            alone.append(offer_from_load_core(quiet.port, codes, rate=RATE, seconds=SECONDS))
            beside.append(offer_from_load_core(slow.port, codes, rate=RATE, seconds=SECONDS))
        alone_s, beside_s = alone_s + cpu_s(quiet.server.pid), beside_s + cpu_s(pid)
        grown_bytes = max(grown_bytes, resident_bytes(pid) - before_bytes)
    ratio = median(slowed.p99_ms / reference.p99_ms for slowed, reference in zip(beside, alone, strict=True))
    each_kib = grown_bytes / (TRICKLING + IDLE + DEAF) / 1024
    failed = sum(run.failed for run in (*alone, *beside))
    note = (
        f"Who asks and does not read takes {deaf_s / DEAF * 1e3:.1f} ms of CPU and "
        f"{deaf_bytes / DEAF / 1024:.0f} KiB, until the buffers between are full."
    )
    return Section(
        "Slow clients",
        f"{TRICKLING:,} that have sent one byte of a request, {IDLE:,} idle ones, {DEAF:,} that ask and do "
        f"not read, as long as they may; beside them {RATE:,.0f} good requests a second, in turns with an "
        "edge that has none, "
        f"{len(alone)} rounds of {SECONDS:g} s. Medians; the ratio is that of the rounds. "
        "CPU is all that the worker used meanwhile, for closing who stalled, too.",
        ("good traffic", "p50 ms", "p99 ms", "p99.9 ms", "CPU s"),
        [_row("alone", alone, alone_s), _row("beside slow clients", beside, beside_s)],
        [
            Target("p99 beside slow clients", ratio, MOST_P99, unit="x alone"),
            Target("memory a slow client", each_kib, MOST_KIB_EACH, unit="KiB"),
            Target("requests unanswered beside slow clients", failed, 0, unit=""),
        ],
        [note],
    )


def _row(name: str, runs: list[Offered], used_s: float) -> tuple[str, ...]:
    return (
        name,
        f"{median(run.p50_ms for run in runs):.2f}",
        f"{median(run.p99_ms for run in runs):.2f}",
        f"{median(run.p999_ms for run in runs):.2f}",
        f"{used_s:.2f}",
    )


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
