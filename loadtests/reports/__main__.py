"""How long reports take over many clicks, beside the same over a million.

    .venv/bin/python -m loadtests.reports [--clicks 10000000] [--folder FOLDER]

The clicks are made in the warehouse and rolled up there as the aggregator does it. With a folder they stay,
and the next run begins with them. Measured is what a route calls (`stats`, `counts_30d`), by chDB in this
process; checking and writing the answer as JSON takes some 4 ms more for 4,000 keys. Each report ends at
another moment of the open quarter of an hour, so none is like one before; windows are in memory as they are
in an api that has answered a report lately.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aggregator.contract import DIMENSIONS, migrate, refresh
from api.reports.contract import Dimension, Scope, StatsQuery, counts_30d, stats
from ingest.chdb import ChdbWarehouse
from ingest.contract import Warehouse
from loadtests.reports.clicks import DAYS, HOT_LINK, LINKS, SMALL_LINK, TENANT, make_clicks

FEW_CLICKS: Final = 1_000_000
END: Final = datetime(2025, 6, 15, 12, 7, tzinfo=UTC)
# As the route has it: 30 days before, from the start of that quarter of an hour on.
OPEN_QUARTER: Final = timedelta(minutes=7)
START: Final = END - OPEN_QUARTER - timedelta(days=DAYS)
ROUNDS: Final = 40
TARGET_MS: Final = 50
LIST_TARGET_MS: Final = 100
TARGET_RATIO: Final = 1.5


@dataclass(frozen=True, slots=True)
class Ask:
    """Something to ask for, and within what time at p95 it is to be answered."""

    name: str
    run: Callable[[Warehouse], object]
    target_ms: float


def asks() -> list[Ask]:
    scopes = {
        "tenant": Scope(TENANT),
        "link with a tenth of the clicks": Scope(TENANT, (HOT_LINK,)),
        "link of 1,000 clicks": Scope(TENANT, (SMALL_LINK,)),
    }
    reports = [
        Ask(f"{name}, {kind}", _report(scope, by), TARGET_MS)
        for name, scope in scopes.items()
        for kind, by in (("all breakdowns", DIMENSIONS), ("totals and series", ()))
    ]
    numbers = range(1, LINKS + 1)
    return [
        *reports,
        Ask("counts of 10,000 links", lambda each: counts_30d(each, TENANT, numbers, END), LIST_TARGET_MS),
    ]


def _report(scope: Scope, by: tuple[Dimension, ...]) -> Callable[[Warehouse], object]:
    rng = random.Random(1)

    def run(warehouse: Warehouse) -> object:
        end = END - timedelta(milliseconds=rng.randrange(OPEN_QUARTER // timedelta(milliseconds=1)))
        return stats(warehouse, StatsQuery(scope, START, end, "day", ZoneInfo("UTC"), by))

    return run


def measure(warehouse: Warehouse, ask: Ask) -> tuple[float, float, float]:
    """The median and the 95th percentile of `ROUNDS`, and the CPU time of one, all in ms."""
    ask.run(warehouse)
    times_ms = []
    cpu_began_s = time.process_time()
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        ask.run(warehouse)
        times_ms.append((time.perf_counter() - began_s) * 1e3)
    cpu_ms = (time.process_time() - cpu_began_s) * 1e3 / ROUNDS
    return statistics.median(times_ms), statistics.quantiles(times_ms, n=20)[-1], cpu_ms


def open_with_clicks(folder: Path, clicks: int) -> Warehouse:
    """A warehouse with so many clicks, rolled up; made where it is not there."""
    warehouse = ChdbWarehouse(folder, f"clicks_{clicks}")
    migrate(warehouse)
    ((stored,),) = warehouse.query("SELECT count() FROM clicks")
    if not stored:
        began_s = time.monotonic()
        make_clicks(warehouse, clicks, END)
        print(f"{clicks:,} clicks made in {time.monotonic() - began_s:,.0f} s", flush=True)
    began_s, windows = time.monotonic(), 0
    while computed := refresh(warehouse, END, everything=True):
        windows += computed
    print(f"{windows:,} windows computed in {time.monotonic() - began_s:,.0f} s", flush=True)
    return warehouse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clicks", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reports-", dir="/tmp") as scratch:
        folder = options.folder or Path(scratch)
        few_clicks = open_with_clicks(folder, FEW_CLICKS)
        many_clicks = open_with_clicks(folder, options.clicks)
        print(f"load of the machine: {os.getloadavg()[0]:.1f}; p50 / p95 / CPU in ms")
        for ask in asks():
            few, many = (measure(warehouse, ask) for warehouse in (few_clicks, many_clicks))
            ratio = many[1] / few[1]
            print(
                f"{ask.name}: {_show(few)} over {FEW_CLICKS:,}, {_show(many)} over {options.clicks:,} clicks;"
                f" p95 target {ask.target_ms:.0f} ms {_verdict(many[1], ask.target_ms)},"
                f" ratio {ratio:.2f}, target {TARGET_RATIO} {_verdict(ratio, TARGET_RATIO)}",
                flush=True,
            )
        few_clicks.close()
        many_clicks.close()


def _show(measured: tuple[float, float, float]) -> str:
    return " / ".join(f"{value:.1f}" for value in measured)


def _verdict(value: float, target: float) -> str:
    return "met" if value <= target else "missed"


if __name__ == "__main__":
    main()
