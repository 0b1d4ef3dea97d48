"""What a click costs between the edge's spool and a report: shipper, Kafka, ingest, warehouse.

    python -m loadtests.bus [--clicks 800000] [--rounds 3] [--seconds 20] [--write docs/performance.md]

On many machines: the program has one core; Kafka and a ClickHouse over HTTP the other. On one machine: the
spool into chDB, in one process on both cores. Ingest is compared with the same rows' way into the same table
without its views, by turns with it, in three ways (`loadtests/bus/bare.py`), two of which are targets. Ends
with 1 where a target is missed.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loadtests.bench.figures import Section, Target
from loadtests.bench.report import render_section, render_targets, write_into
from loadtests.bus.freshness import RATE, Freshness, measure_many_machines, measure_one_machine
from loadtests.bus.rounds import SOURCES, measure_many, measure_one

BEGIN: Final = "<!-- figures of make benchbus -->\n"


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
    parser.add_argument("--clicks", type=int, default=800_000, help="that are stored as fast as it goes")
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
