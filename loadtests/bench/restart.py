"""Start and restart: time to the first 302, and what clients see of a restart by SIGTERM under load.

Restarted as an operator would: two edges share the port, one at a time gets SIGTERM, drains, and is started
again. A client counts a request as dropped when it was sent, or could not be sent because nobody listened,
and no whole answer came. That is stricter than HTTP, which lets a server close a kept-alive connection at any
moment; so drops are told apart by what the connection had done before.
"""

import asyncio
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from loadtests.bench.figures import Section, Target
from loadtests.neighbours import (
    EdgeProgram,
    RedisServer,
    children_of,
    end,
    free_port,
    spawn_edge,
    wait_until_accepting,
)

STARTS: Final = 5
RESTARTS: Final = 10
CLIENTS: Final = 48
REQUESTS_A_CONNECTION: Final = 20
MOST_START_S: Final = 1.0
SETTLED_S: Final = 0.5

DROPPED: Final = ("refused", "broken on a new connection", "broken on a kept-alive connection")


def restart_section(folder: Path, redis: RedisServer, codes: list[str]) -> Section:
    program_s, worker_s = zip(
        *(_starts(folder / "start", redis, codes[0]) for _ in range(STARTS)), strict=True
    )
    seen = uvloop.run(_restart_under_load(folder, redis, codes))
    dropped = sum(seen[kind] for kind in DROPPED)
    rows = [
        ("`python -m edge` to the first 302", f"{median(program_s):.2f} s, at most {max(program_s):.2f} s"),
        (
            "a killed worker to the first 302 of its successor",
            f"{median(worker_s):.2f} s, at most {max(worker_s):.2f} s",
        ),
        (f"requests answered over {RESTARTS} restarts", f"{seen['answered']:,}"),
        *((kind, f"{seen[kind]:,}") for kind in DROPPED),
    ]
    return Section(
        "Start and restart",
        f"Start: {STARTS} times, median and longest. Restart: two edges of one worker on one port, {CLIENTS} "
        f"clients of {REQUESTS_A_CONNECTION} requests a connection; in turns each edge gets SIGTERM and is "
        "started again.",
        ("what", "measured"),
        rows,
        [
            Target("start of the edge to its first 302", median(program_s), MOST_START_S, unit="s"),
            Target("worker killed to its successor's first 302", median(worker_s), MOST_START_S, unit="s"),
            Target(f"requests dropped by {RESTARTS} restarts", dropped, 0, unit=""),
        ],
    )


def _starts(folder: Path, redis: RedisServer, code: str) -> tuple[float, float]:
    """Seconds from the start of the program, and from the kill of its worker, to a 302."""
    begun = time.monotonic()
    edge = spawn_edge(folder, redis, free_port(), metrics_port=free_port())
    try:
        _wait_for_302(edge.port, code)
        program_s = time.monotonic() - begun
        begun = time.monotonic()
        os.kill(edge.server.pid, signal.SIGKILL)
        _wait_for_302(edge.port, code)
        return program_s, time.monotonic() - begun
    finally:
        end(edge.process)


def _wait_for_302(port: int, code: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(_request(code))
                if connection.recv(4096).startswith(b"HTTP/1.1 302"):
                    return
        except OSError:
            pass
        time.sleep(0.005)
    raise TimeoutError(f"no 302 from port {port}")


async def _restart_under_load(folder: Path, redis: RedisServer, codes: list[str]) -> Counter[str]:
    port = free_port()

    def start(name: str) -> Callable[[], EdgeProgram]:
        metrics_port = free_port()
        return lambda: spawn_edge(folder / name, redis, port, metrics_port=metrics_port)

    starters = (start("left"), start("right"))
    edges = [starter() for starter in starters]
    seen: Counter[str] = Counter()
    stop = asyncio.Event()
    try:
        wait_until_accepting(("127.0.0.1", port), folder / "left" / "edge.log")
        await asyncio.gather(*map(_until_listening, edges))
        clients = [asyncio.create_task(_ask(port, codes, at, stop, seen)) for at in range(CLIENTS)]
        for turn in range(RESTARTS):
            await asyncio.sleep(SETTLED_S)
            side = turn % 2
            await asyncio.to_thread(end, edges[side].process)
            edges[side] = starters[side]()
            await _until_listening(edges[side])
        stop.set()
        await asyncio.gather(*clients)
    finally:
        for edge in edges:
            end(edge.process)
    return seen


async def _until_listening(edge: EdgeProgram) -> None:
    """Return when the edge's own worker listens: its port alone would not tell, for two edges share it."""
    async with asyncio.timeout(20):
        while not any(map(_has_listener, children_of(edge.process.pid))):  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.02)


def _has_listener(pid: int) -> bool:
    listening = {
        fields[9]
        for fields in map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:])
        if fields[3] == "0A"
    }
    try:
        links = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(link.startswith("socket:[") and link[8:-1] in listening for link in links)


async def _ask(port: int, codes: list[str], at: int, stop: asyncio.Event, seen: Counter[str]) -> None:
    """One client: connections of `REQUESTS_A_CONNECTION` requests each, one after the other."""
    while not stop.is_set():
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            seen["refused"] += 1
            continue
        for number in range(REQUESTS_A_CONNECTION):
            at += CLIENTS
            try:
                writer.write(_request(codes[at % len(codes)]))
                answer = await reader.readuntil(b"\r\n\r\n")
            except (OSError, asyncio.IncompleteReadError):
                seen[f"broken on a {'kept-alive' if number else 'new'} connection"] += 1
                break
            seen["answered" if answer.startswith(b"HTTP/1.1 302") else answer[9:12].decode()] += 1
            if b"\r\nConnection: close\r\n" in answer or stop.is_set():
                break
        writer.close()


def _request(code: str) -> bytes:
    return f"GET /{code} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n\r\n".encode()
