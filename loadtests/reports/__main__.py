"""How long reports take over many clicks, beside the same over a million.

    .venv/bin/python -m loadtests.reports [--clicks 10000000] [--folder FOLDER] [--url URL] [--errors | --api]

The clicks are made in the warehouse (chDB in this process, or a ClickHouse server at a URL). With a folder,
or a URL, they stay, and the next run begins with them: 100,000,000 take seven minutes to make and five to
roll up. Of their windows only those are computed that these reports read.

Measured is what a route calls (`stats`, `counts_30d`); with `--api` whole HTTP requests to the api, which
runs in this process, from a client that reads the answer. Between two reports a second passes in the table:
its clicks are inserted, as an ingest does, and the next report ends later. Windows are in memory as they are
in an api that has answered a report lately; what the first one takes is measured too. Last, the aggregator
computes a day anew, of which the CPU is told, the engine's with it.

With `--errors` nothing is timed: it tells instead how far the uniques of each key are off, of the tenant, the
large link, and links of about 1,000,000, 300,000 and 130,000 clicks.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import httpx

from aggregator.contract import DIMENSIONS, migrate
from api.reports.contract import Scope, StatsQuery, counts_30d, stats
from ingest.contract import Warehouse, mark_dirty, open_warehouse
from loadtests.reports.clicks import DAYS, HOT_LINK, LINKS, SMALL_LINK, TENANT, add_clicks, make_clicks
from loadtests.reports.errors import measure_errors
from loadtests.reports.requests import first_page, report, running_api
from loadtests.reports.rolling import compute_needed, measure_rate

FEW_CLICKS: Final = 1_000_000
# As the route has it, reports begin 30 days before, at the start of that quarter of an hour.
END: Final = datetime(2025, 6, 15, 12, 7, tzinfo=UTC)
START: Final = END.replace(minute=0) - timedelta(days=DAYS)
OPEN_QUARTER_ENDS: Final = END.replace(minute=15)
ROUNDS: Final = 40
# Where an ingest inserts as often as it can, small parts are merged meanwhile; here that is over by then.
AFTER_INSERT_S: Final = 0.25
# Links next to so many clicks, whose errors are told.
SIZES: Final = (1_000_000, 300_000, 130_000)
TARGET_MS: Final = 50
LIST_TARGET_MS: Final = 100
TARGET_RATIO: Final = 1.5
TARGET_RATE: Final = 60_000

Ask = Callable[[Warehouse, datetime], object]


@dataclass(frozen=True, slots=True)
class Times:
    """Of one ask, in ms: the first time, and the median, 95th percentile and CPU of all later ones."""

    first: float
    p50: float
    p95: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.p50:.1f} / {self.p95:.1f} / {self.cpu:.1f}, first {self.first:.0f}"


class Table:
    """Clicks in a warehouse, and the time there."""

    def __init__(self, warehouse: Warehouse, clicks: int) -> None:
        self.warehouse = warehouse
        self.clicks = clicks
        self._passed_s = 0

    def make(self, sizes: Sequence[int] = ()) -> None:
        """Clicks and windows, where they are not there; what an earlier run added goes.

        Windows of links next to these numbers of clicks, too.
        """
        migrate(self.warehouse)
        ((stored, latest),) = self.warehouse.query("SELECT count(), max(ts) FROM clicks")
        if not stored:
            began_s = time.monotonic()
            make_clicks(self.warehouse, self.clicks, END)
            print(f"{self.clicks:,} clicks made in {time.monotonic() - began_s:,.0f} s", flush=True)
        elif latest >= END:
            end_ms = round(END.timestamp() * 1000)
            self.warehouse.command(
                "DELETE FROM clicks WHERE ts >= fromUnixTimestamp64Milli({end:Int64}, 'UTC')", {"end": end_ms}
            )
            mark_dirty(self.warehouse, TENANT, None, end_ms, round(latest.timestamp() * 1000) + 1)
        links = {HOT_LINK, *(_links_of(self.warehouse, size)[0] for size in sizes)}
        began_s, computed = time.monotonic(), compute_needed(self.warehouse, END, links)
        print(f"{computed:,} windows computed in {time.monotonic() - began_s:,.0f} s", flush=True)

    def wait_a_second(self) -> datetime:
        """Let a second pass: insert its clicks; what time it is then."""
        add_clicks(self.warehouse, self.clicks, END, self._passed_s, 1)
        time.sleep(AFTER_INSERT_S)
        self._passed_s += 1
        now = END + timedelta(seconds=self._passed_s)
        if now > OPEN_QUARTER_ENDS:
            raise RuntimeError("the open quarter of an hour ended: measure fewer rounds")
        return now

    def measure(self, ask: Ask) -> Times:
        times_ms, cpu_ms = [], 0.0
        for _ in range(ROUNDS + 1):
            now = self.wait_a_second()
            cpu_began_s, began_s = time.process_time(), time.perf_counter()
            ask(self.warehouse, now)
            times_ms.append((time.perf_counter() - began_s) * 1e3)
            cpu_ms += (time.process_time() - cpu_began_s) * 1e3 if len(times_ms) > 1 else 0
        first, *later = times_ms
        return Times(first, statistics.median(later), statistics.quantiles(later, n=20)[-1], cpu_ms / ROUNDS)


def asks(table: Table, client: httpx.Client | None = None) -> Iterator[tuple[str, Ask, float]]:
    """What is asked for, and within how many ms it is to be answered at p95. With a client, of the api."""
    others = _links_of(table.warehouse, 1_000)
    for name, links in (
        ("tenant", [None]),
        ("link with a tenth of the clicks", [HOT_LINK]),
        ("link of 1,000 clicks", [SMALL_LINK]),
        ("link of about 1,000 clicks, another each time", others),
    ):
        yield name, report(client, links, START) if client else _report(links), TARGET_MS
    numbers = range(1, LINKS + 1)
    if client:
        yield "page of 100 links with counts", first_page(client), LIST_TARGET_MS
    else:
        yield (
            "counts of 10,000 links",
            lambda each, now: counts_30d(each, TENANT, numbers, now),
            LIST_TARGET_MS,
        )


def _report(links: Sequence[int | None]) -> Ask:
    """All breakdowns of one link (None: of the tenant) after the other, again and again."""
    asked = 0

    def run(warehouse: Warehouse, now: datetime) -> object:
        nonlocal asked
        link = links[asked % len(links)]
        asked += 1
        scope = Scope(TENANT, None if link is None else (link,))
        return stats(warehouse, StatsQuery(scope, START, now, "day", ZoneInfo("UTC"), DIMENSIONS))

    return run


def _links_of(warehouse: Warehouse, clicks: int) -> list[int]:
    """As many as are asked for, those that come nearest to a number of clicks."""
    rows = warehouse.query(
        "SELECT subject FROM click_days WHERE tenant = {tenant:String} AND scope = 'link'"
        " GROUP BY subject ORDER BY abs(sum(clicks) - {clicks:Int64}), subject LIMIT {limit:UInt32}",
        {"tenant": TENANT, "clicks": clicks, "limit": ROUNDS + 2},
    )
    return [int(subject) for (subject,) in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clicks", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--url")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--errors", action="store_true")
    what.add_argument("--api", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="reports-", dir="/tmp"))
        folder = options.folder or Path(scratch)
        if options.errors:
            warehouse = open_warehouse(options.url, folder=folder, database=f"clicks_{options.clicks}")
            stack.callback(warehouse.close)
            print_errors(Table(warehouse, options.clicks))
            return
        tables = []
        for clicks in (FEW_CLICKS, options.clicks):
            warehouse = open_warehouse(options.url, folder=folder, database=f"clicks_{clicks}")
            stack.callback(warehouse.close)
            tables.append(Table(warehouse, clicks))
            tables[-1].make()
        clients: list[httpx.Client | None] = [
            stack.enter_context(running_api(table.warehouse, Path(scratch) / str(table.clicks)))
            if options.api
            else None
            for table in tables
        ]
        compare(*zip(tables, clients, strict=True))
        if not options.api:
            print_rate(tables[-1])


def compare(of_few: tuple[Table, httpx.Client | None], of_many: tuple[Table, httpx.Client | None]) -> None:
    (few, _), (many, _) = of_few, of_many
    print(f"load of the machine: {os.getloadavg()[0]:.1f}; p50 / p95 / CPU, and the first, in ms")
    for (name, ask, target_ms), (_, same_of_few, _) in zip(asks(*of_many), asks(*of_few), strict=True):
        little, much = few.measure(same_of_few), many.measure(ask)
        ratio = much.p95 / little.p95
        print(
            f"{name}: {little} over {few.clicks:,}; {much} over {many.clicks:,};"
            f" p95 target {target_ms:.0f} ms {_verdict(much.p95 <= target_ms)},"
            f" ratio {ratio:.2f}, target {TARGET_RATIO} {_verdict(ratio <= TARGET_RATIO)}",
            flush=True,
        )


def print_errors(table: Table) -> None:
    table.make(SIZES)
    links = dict.fromkeys((HOT_LINK, *(_links_of(table.warehouse, size)[0] for size in SIZES)))
    for scope in (Scope(TENANT), *(Scope(TENANT, (link,)) for link in links)):
        print(f"{'tenant' if scope.links is None else f'link {scope.links[0]}'} of {table.clicks:,} clicks:")
        for errors in measure_errors(table.warehouse, scope, START, END):
            print(f"  {errors}", flush=True)


def print_rate(table: Table) -> None:
    rate = measure_rate(table.warehouse, END)
    print(
        f"a day of {rate.clicks:,} clicks rolled up in {rate.windows_cpu_s:.1f} s of CPU, who had been there"
        f" before counted in {rate.returns_cpu_s:.1f} s: {rate.clicks_a_second:,.0f} clicks a second of CPU"
        f" ({rate.clicks / rate.windows_cpu_s:,.0f} without that),"
        f" target {TARGET_RATE:,} {_verdict(rate.clicks_a_second >= TARGET_RATE)}"
    )


def _verdict(is_met: bool) -> str:  # noqa: FBT001 - it reads as the question that was asked
    return "met" if is_met else "missed"


if __name__ == "__main__":
    main()
