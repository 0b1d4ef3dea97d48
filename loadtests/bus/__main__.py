"""What a click costs between the edge's spool and a report: shipper, Kafka, ingest, warehouse.

    python -m loadtests.bus [--clicks 400000] [--rounds 3] [--seconds 20] [--write docs/performance.md]

On many machines: the program has one core; Kafka and a ClickHouse over HTTP the other. On one machine: the
spool into chDB, in one process on both cores. Ingest is compared with the bare insert: the same columns, made
beforehand, into the same table without its views, by turns with it and for as long. Ends with 1 where a
target is missed.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from aggregator.contract import migrate
from edge.contract import Settings
from ingest.contract import open_warehouse
from loadtests.bench.figures import Section, Target
from loadtests.bench.report import render_section, render_targets, write_into
from loadtests.bus.clicks import spool_clicks
from loadtests.bus.freshness import RATE, Freshness, measure_many_machines, measure_one_machine
from loadtests.bus.stages import Cost, count_wrong, ingest, insert_bare, make_rows, settle, ship
from tests.fixtures.warehouse import clickhouse_server
from tests.kafka.cluster import kafka_cluster

BEGIN: Final = "<!-- figures of make benchbus -->\n"
SOURCES: Final = 8
OURS, THEIRS = {0}, {1}
BOTH: Final = OURS | THEIRS


def measure_many(folder: Path, clicks: int, rounds: int) -> Section:
    """Spool to Kafka to ClickHouse."""
    folder.mkdir()
    with ExitStack() as stack:
        os.sched_setaffinity(0, THEIRS)  # what is started now inherits it
        cluster = stack.enter_context(kafka_cluster(folder))
        url, server = stack.enter_context(clickhouse_server(folder))
        os.sched_setaffinity(0, OURS)
        stack.callback(os.sched_setaffinity, 0, BOTH)
        settings = Settings(data_dir=folder / "var", events_url=cluster.url, clickhouse_url=url)
        warehouse = open_warehouse(url, folder=folder)
        stack.callback(warehouse.close)
        migrate(warehouse)
        shipped, stored, bare = [], [], []
        for number in range(rounds):
            spool_clicks(settings.spool_dir, sources=SOURCES, clicks=clicks)
            shipped.append(uvloop.run(ship(settings, clicks)))
            stored.append(uvloop.run(ingest(settings, warehouse, clicks, warehouse_pid=server.pid)))
            settle(warehouse)
            ready = make_rows(settings, warehouse, stored[-1].batch_rows)
            bare.append(
                insert_bare(warehouse, ready, stored[-1].seconds, name=f"{number}", warehouse_pid=server.pid)
            )
            settle(warehouse)
        wrong = count_wrong(warehouse, rounds * clicks)
    return Section(
        title="From spool to rows on many machines",
        text=f"{rounds} rounds of {clicks:,} clicks of {SOURCES} spools; the median of each stage, and of the"
        " ratios in one round. Ingest and shipper on one core, a real Kafka 4.3 and a ClickHouse 26.7 over"
        " HTTP on the other.",
        columns=("stage", "clicks a second", "CPU µs a click", "the warehouse's, on its core"),
        rows=[_row("shipper", shipped), _row("ingest", stored), _row("bare insert", bare)],
        targets=[
            _wrong(wrong, rounds * clicks, "Kafka"),
            Target("CPU of the shipper", _median(shipped).cpu_us, 1.5, unit="µs a click"),
            Target("ingest from Kafka", _median(stored).rate, 60_000, "at least", "clicks a second"),
            Target("ingest from Kafka", _ratio(stored, bare), 0.5, "at least", "x bare insert"),
        ],
    )


def measure_one(folder: Path, clicks: int, rounds: int) -> Section:
    """Spool to chDB, all in this process."""
    folder.mkdir()
    settings = Settings(data_dir=folder / "var")
    warehouse = open_warehouse(None, folder=folder / "warehouse")
    migrate(warehouse)
    stored, bare = [], []
    for number in range(rounds):
        spool_clicks(settings.spool_dir, sources=2, clicks=clicks)
        stored.append(uvloop.run(ingest(settings, warehouse, clicks, warehouse_pid=None)))
        settle(warehouse)
        ready = make_rows(settings, warehouse, stored[-1].batch_rows)
        bare.append(insert_bare(warehouse, ready, stored[-1].seconds, name=f"{number}", warehouse_pid=None))
        settle(warehouse)
    wrong = count_wrong(warehouse, rounds * clicks)
    warehouse.close()
    return Section(
        title="From spool to rows on one machine",
        text=f"{rounds} rounds of {clicks:,} clicks of two spools into chDB; CPU is the engine's, too.",
        columns=("stage", "clicks a second", "CPU µs a click"),
        rows=[_row("ingest", stored)[:3], _row("bare insert", bare)[:3]],
        targets=[
            _wrong(wrong, rounds * clicks, "one machine"),
            Target("ingest on one machine", _ratio(stored, bare), 0.5, "at least", "x bare insert"),
        ],
    )


def freshness_section(found: dict[str, Freshness], seconds: float) -> Section:
    """How soon a report counts a click."""
    targets = []
    for name, each in found.items():
        targets.append(Target(f"click to report, p99, {name}", each.p99_s, 2, unit="s"))
        targets.append(Target(f"clicks failed or not counted, {name}", each.failed + each.wrong, 0, unit=""))
    return Section(
        title="From a click to the report that counts it",
        text=f"{RATE:,.0f} clicks a second over {seconds:g} s, on personal codes of one link; all programs"
        " and the load on both cores. From when the request was due to the answer of the first report that"
        " counts it; reports one after the other.",
        columns=("where", "clicks", "p50 s", "p99 s", "longest s", "a report, s"),
        rows=[
            (
                name,
                f"{each.clicks:,}",
                *(f"{value:.2f}" for value in (each.p50_s, each.p99_s, each.max_s, each.report_s)),
            )
            for name, each in found.items()
        ],
        targets=targets,
    )


def _median(costs: Sequence[Cost]) -> Cost:
    """Of each figure its own."""
    return Cost(
        rate=median(cost.rate for cost in costs),
        cpu_us=median(cost.cpu_us for cost in costs),
        warehouse_cpu_us=median(cost.warehouse_cpu_us for cost in costs),
    )


def _ratio(stored: Sequence[Cost], bare: Sequence[Cost]) -> float:
    """The median of the rates' ratios, each of one round."""
    return median(one.rate / other.rate for one, other in zip(stored, bare, strict=True))


def _row(stage: str, costs: Sequence[Cost]) -> tuple[str, ...]:
    cost = _median(costs)
    theirs = f"{cost.warehouse_cpu_us:.1f}" if cost.warehouse_cpu_us else ""
    return stage, f"{cost.rate:,.0f}", f"{cost.cpu_us:.2f}", theirs


def _wrong(wrong: int, clicks: int, where: str) -> Target:
    return Target(f"clicks lost or doubled of {clicks:,}, {where}", wrong, 0, unit="")


def _measure(folder: Path, clicks: int, rounds: int, seconds: float) -> Iterator[Section]:
    yield measure_many(folder / "many", clicks, rounds)
    yield measure_one(folder / "one", clicks, rounds)
    yield freshness_section(
        {
            "one machine": measure_one_machine(folder / "f1", seconds),
            "many machines": measure_many_machines(folder / "f2", seconds),
        },
        seconds,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clicks", type=int, default=400_000, help="that are stored as fast as it goes")
    parser.add_argument("--rounds", type=int, default=3, help="of them")
    parser.add_argument("--seconds", type=float, default=20.0, help="of clicks at the constant rate")
    parser.add_argument("--write", type=Path, help="a document to write the figures into")
    options = parser.parse_args()
    clicks = options.clicks // SOURCES // 100 * SOURCES * 100
    sections = []
    with tempfile.TemporaryDirectory(prefix="bus-", dir="/tmp") as folder:
        for section in _measure(Path(folder), clicks, options.rounds, options.seconds):
            print(render_section(section), flush=True)
            sections.append(section)
    targets = [target for section in sections for target in section.targets]
    print(render_targets(targets))
    if options.write:
        parts = [render_targets(targets), *map(render_section, sections)]
        write_into(options.write, "\n".join(parts), begin=BEGIN)
    return 0 if all(target.is_met for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
