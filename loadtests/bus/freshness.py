"""How old a click is when a report first counts it: clicks at a constant rate, one report after the other.

A click counts as made when its request was due, which is before its 302. The k-th click is in a report as
soon as one tells of k clicks or more; the time that the report itself takes is in it.
"""

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from api.client import Client
from loadtests.constant_rate import offer, requests_for
from tests.drills.site import running_site
from tests.fixtures.ports import free_ports
from tests.fixtures.system import KEY, System

RATE: Final = 5_000.0
RECIPIENTS: Final = 10_000
CONNECTIONS: Final = 64
PAUSE_S: Final = 0.05
COUNTED_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Count:
    """A report was there at `at_s` (monotonic) after `took_s`, and told of so many clicks."""

    at_s: float
    took_s: float
    clicks: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """Seconds from click to report, over all clicks; `report_s` is the median of what a report took.

    `failed` requests got no 302; `wrong` is what the last report had more or less than was answered.
    """

    clicks: int
    failed: int
    wrong: int
    p50_s: float
    p99_s: float
    max_s: float
    report_s: float


def delays_s(counts: Sequence[Count], *, began_s: float, rate: float, clicks: int) -> list[float]:
    """For each click, how long after it was due a report first counted it; infinite where none did. Pure."""
    delays: list[float] = []
    for count in counts:
        due = range(len(delays), min(count.clicks, clicks))
        delays += (count.at_s - began_s - number / rate for number in due)
    return delays + [float("inf")] * (clicks - len(delays))


def measure_one_machine(folder: Path, seconds: float) -> Freshness:
    """As `make run` starts it: spool, chDB, everything else in one process."""
    edge_port, api_port, metrics_port, *_ = free_ports(8)
    system = System(folder / "var", edge_port, api_port, metrics_port)
    folder.mkdir()
    try:
        system.start()
        return _measure(system, seconds)
    finally:
        system.close()


def measure_many_machines(folder: Path, seconds: float) -> Freshness:
    """Every program a process of its own, between Kafka and a ClickHouse over HTTP."""
    folder.mkdir()
    with running_site(folder) as site:
        site.programs.start("api")
        site.programs.wait_ready("api")
        return _measure(site.system, seconds)


def _measure(system: System, seconds: float) -> Freshness:
    with (
        Client(f"http://127.0.0.1:{system.api_port}", KEY) as client,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
    ):
        link = client.make_link(destination_url="https://shop.example.com/")["id"]
        recipients = ({"recipient": f"+4477009{number:05}"} for number in range(RECIPIENTS))
        codes = [minted["code"].encode() for minted in client.mint(link, recipients)]
        clicking = pool.submit(_click, system.edge_port, codes, seconds)
        counts: list[Count] = []
        while not clicking.done():
            counts.append(_count(client, link))
            time.sleep(PAUSE_S)  # a dashboard does not ask without a pause either
        began_s, answered, failed = clicking.result()
        ends_s = time.monotonic() + COUNTED_WITHIN_S
        while counts[-1].clicks < answered and time.monotonic() < ends_s:
            counts.append(_count(client, link))
    delays = sorted(delays_s(counts, began_s=began_s, rate=RATE, clicks=answered))
    return Freshness(
        clicks=answered,
        failed=failed,
        wrong=abs(counts[-1].clicks - answered),
        p50_s=delays[len(delays) // 2],
        p99_s=delays[int(len(delays) * 0.99)],
        max_s=delays[-1],
        report_s=median(count.took_s for count in counts),
    )


def _click(port: int, codes: list[bytes], seconds: float) -> tuple[float, int, int]:
    """When it began (monotonic), and how many requests were answered and failed. For a process of its own."""
    requests = requests_for(codes, "localhost")
    began_s = time.monotonic()
    offered = offer(port, requests, rate=RATE, seconds=seconds, connections=CONNECTIONS)
    return began_s, offered.requests, offered.failed


def _count(client: Client, link: str) -> Count:
    asked_s = time.monotonic()
    clicks = client.stats(link)["totals"]["total_clicks"]
    at_s = time.monotonic()
    return Count(at_s, at_s - asked_s, clicks)
