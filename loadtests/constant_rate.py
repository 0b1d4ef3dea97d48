"""Open-model load: requests at a constant rate, latencies counted from the intended send time.

    python -m loadtests.constant_rate --port 8080 --rate 20000 --seconds 3 --codes codes.txt

Prints one line of JSON (`Offered`). When the server falls behind, requests wait for a free connection and
their waiting counts, as it would for people: a closed loop would have asked less and so hidden it
(coordinated omission). Every latency is kept, so percentiles are exact.
"""

import argparse
import gc
import json
import select
import socket
import subprocess
import sys
from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter_ns, process_time, sleep
from typing import Final

from loadtests.neighbours import LOAD_CORE, REPOSITORY
from loadtests.phones import header_lines

IDLE_SLEEP_S: Final = 20e-6  # when nothing is due; the kernel makes some 80 µs of it: the error of a latency
SETTLE_S: Final = 0.1  # for the server to let the connections in: that is no part of a request
LATE_S: Final = 5.0  # after the last request was due
_FOUND: Final = b"HTTP/1.1 302 "
_ENDS: Final = (b"\r\n\r\n", b"</html>\r\n")  # of the edge's answers, and of nginx's page


@dataclass(frozen=True, slots=True)
class Offered:
    """What came of an offered rate (requests a second). Latencies in ms, from the intended send time.

    `failed` counts answers that were no whole 302, connections that broke, and what was not answered
    `LATE_S` after the end. `generator_cpu` is the share of its core that the generator itself used.
    `latencies_us` are all latencies in whole µs, each with how many had it.
    """

    rate: float
    achieved_rate: float
    requests: int
    failed: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    generator_cpu: float
    latencies_us: list[tuple[int, int]]


def pooled_percentile_ms(runs: Iterable[Offered], share: float) -> float:
    """The latency that this share of the requests of all runs did not exceed."""
    counts: Counter[int] = Counter()
    for run in runs:
        for latency_us, count in run.latencies_us:
            counts[latency_us] += count
    above = int(counts.total() * share)
    for latency_us, count in sorted(counts.items()):
        above -= count
        if above < 0:
            return latency_us / 1e3
    return float("inf")


def requests_for(codes: list[bytes], host: str) -> Iterator[bytes]:
    """Requests for these codes in turns, each by the next kind of phone, for ever."""
    heads = ["\r\n".join(lines).encode() + b"\r\n\r\n" for lines in header_lines(host)]
    return (
        b"GET /%b HTTP/1.1\r\n%b" % (code, head)
        for code, head in zip(cycle(codes), cycle(heads), strict=False)
    )


def offer(port: int, requests: Iterator[bytes], *, rate: float, seconds: float, connections: int) -> Offered:
    """Send `rate` requests a second for so long over kept-alive connections to 127.0.0.1."""
    sockets = {each.fileno(): each for each in (_connect(port) for _ in range(connections))}
    poller = select.epoll()
    for descriptor in sockets:
        poller.register(descriptor, select.EPOLLIN)
    sleep(SETTLE_S)
    free = deque(sockets)  # used in turns, so that none idles until the server closes it
    intended_ns = dict.fromkeys(sockets, 0)
    latencies_ns = array("Q")
    count, interval_ns = int(rate * seconds), 1e9 / rate
    prepared = list(islice(requests, count))  # so that its core has more time for a Redis beside it
    gc.freeze()
    gc.disable()  # nothing here makes circles, and to look for them is a pause
    sent = failed = 0
    cpu_before_s, begin_ns = process_time(), perf_counter_ns()
    end_ns = begin_ns + int((seconds + LATE_S) * 1e9)
    now_ns = begin_ns
    while len(latencies_ns) + failed < count and now_ns < end_ns and sockets:
        due = min(count, int((now_ns - begin_ns) / interval_ns) + 1)
        while sent < due and free:
            descriptor = free.popleft()
            intended_ns[descriptor] = begin_ns + int(sent * interval_ns)
            sockets[descriptor].send(prepared[sent])
            sent += 1
        events = poller.poll(0)
        if not events:
            sleep(IDLE_SLEEP_S)
        now_ns = perf_counter_ns()
        for descriptor, _ in events:
            answer = sockets[descriptor].recv(4_096)
            if answer.startswith(_FOUND) and answer.endswith(_ENDS):
                latencies_ns.append(now_ns - intended_ns[descriptor])
                free.append(descriptor)
            else:
                failed += 1
                sockets.pop(descriptor).close()
    took_s = (now_ns - begin_ns) / 1e9
    cpu = (process_time() - cpu_before_s) / took_s
    for each in sockets.values():
        each.close()
    ordered = sorted(latencies_ns)
    return Offered(
        rate=rate,
        achieved_rate=len(ordered) / took_s,
        requests=len(ordered),
        failed=count - len(ordered),
        p50_ms=_percentile_ms(ordered, 0.5),
        p99_ms=_percentile_ms(ordered, 0.99),
        p999_ms=_percentile_ms(ordered, 0.999),
        max_ms=_percentile_ms(ordered, 1.0),
        generator_cpu=cpu,
        latencies_us=list(Counter(latency_ns // 1_000 for latency_ns in ordered).items()),
    )


def offer_from_load_core(port: int, codes: Path, *, rate: float, seconds: float, first: int = 0) -> Offered:
    """`offer` in a process of its own on the load's core, from the `first` code of the file on."""
    options = {"--port": port, "--rate": rate, "--seconds": seconds, "--codes": codes, "--first": first}
    arguments = [str(part) for option in options.items() for part in option]
    output = subprocess.run(
        ["taskset", "-c", LOAD_CORE, sys.executable, "-m", "loadtests.constant_rate", *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    ).stdout
    return Offered(**json.loads(output))


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)  # noqa: FBT003 - its one parameter
    return connection


def _percentile_ms(ordered_ns: list[int], share: float) -> float:
    if not ordered_ns:
        return float("inf")
    return ordered_ns[min(len(ordered_ns) - 1, int(len(ordered_ns) * share))] / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--codes", type=Path, required=True, help="a file of codes, one a line")
    parser.add_argument("--first", type=int, default=0, help="the code to begin with, in turns")
    options = parser.parse_args()
    codes = options.codes.read_bytes().split(b"\n")
    first = options.first % len(codes)
    requests = requests_for(codes[first:] + codes[:first], "localhost")
    offered = offer(
        options.port,
        requests,
        rate=options.rate,
        seconds=options.seconds,
        connections=options.connections,
    )
    print(json.dumps(asdict(offered)))


if __name__ == "__main__":
    main()
