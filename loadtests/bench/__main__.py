"""Speed and memory of the edge beside nginx `return 302`, in one run.

    python -m loadtests.bench [--codes 10000000] [--rounds 11] [--full] [--write docs/performance.md]

Needs nginx, wrk, redis-server and taskset on PATH, an edge that is compiled (`make environment`), and two
cores: the server under test has the first to itself, the load generator and Redis share the second. What it
starts and writes is gone when it ends. It ends with 1 where a target is missed.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from typing import Final

from edge import compiled
from loadtests.bench.figures import Section
from loadtests.bench.growth import growth_section
from loadtests.bench.redirects import measure_in_turns, redirects_section, spooled_target
from loadtests.bench.redis_memory import LINK_NUMBER, measure_claimed, memory_section
from loadtests.bench.report import render_section, render_targets, write_into
from loadtests.bench.restart import restart_section
from loadtests.bench.slow_clients import slow_clients_section
from loadtests.bench.soak import soak_section
from loadtests.bench.tail import tail_section
from loadtests.bench.wrk import Case, Wrk
from loadtests.minting import put_links
from loadtests.neighbours import (
    missing_programs,
    running_edge,
    running_nginx,
    running_redis,
    running_variant,
)

FEW: Final = 1_000
ASKED: Final = 500_000  # codes that are asked for in turns: five times what a worker caches
SOAK_REQUESTS: Final = 500_000
FULL_SOAK_REQUESTS: Final = 5_000_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--codes", type=int, default=10_000_000, help="personal codes in Redis")
    parser.add_argument("--rounds", type=int, default=11, help="runs of each case, taken in turns")
    parser.add_argument("--full", action="store_true", help=f"soak for {FULL_SOAK_REQUESTS:,} requests")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the figures between the file's marks")
    options = parser.parse_args()
    if missing := missing_programs("nginx", "wrk", "redis-server", "taskset"):
        sys.exit(f"not on PATH: {', '.join(missing)}")
    if not compiled.is_in_use():
        sys.exit(
            "the redirect path would run interpreted: `python -m edge.compile` compiles it, or tells why not"
        )
    with suppress(PermissionError):
        os.nice(-20)  # for all that is started: what else runs here takes little from any of them
    soak = FULL_SOAK_REQUESTS if options.full else SOAK_REQUESTS
    sections = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as folder:  # a socket's path is short
        for section in measure(Path(folder), options.codes, options.rounds, soak):
            print(render_section(section), flush=True)
            sections.append(section)
    targets = [target for section in sections for target in section.targets]
    print(render_targets(targets))
    if options.write:
        parts = [render_targets(targets), *map(render_section, sections)]
        write_into(options.write, "\n".join(parts))
    sys.exit(0 if all(target.is_met for target in targets) else 1)


def measure(folder: Path, code_count: int, rounds: int, soak_requests: int) -> Iterator[Section]:
    """All sections, one after the other; each is there as soon as it is measured."""
    with ExitStack() as stack:
        start = stack.enter_context
        few, many, scratch = (start(running_redis(folder / name)) for name in ("few", "many", "scratch"))
        few_claimed, few_codes = measure_claimed(few.url, FEW, kept=FEW)
        many_claimed, many_codes = measure_claimed(many.url, code_count, kept=ASKED)
        yield memory_section([few_claimed, many_claimed], scratch.url)
        put_links(LINK_NUMBER, few.url, many.url)
        asked, one, asked_few = (folder / name for name in ("many.txt", "one.txt", "few.txt"))
        asked.write_text("\n".join(many_codes))
        one.write_text(many_codes[0])
        asked_few.write_text("\n".join(few_codes))
        nginx, edge = start(running_nginx(folder / "nginx")), start(running_edge(folder / "edge", many))
        wrk = Wrk(folder)
        with ExitStack() as variants:
            server = variants.enter_context(running_variant("server", folder / "server", many))
            application = variants.enter_context(running_variant("application", folder / "app", many))
            interpreted = variants.enter_context(running_edge(folder / "plain", many, interpreted=True))
            cases = {
                "nginx": Case(nginx, asked),
                "cached": Case(edge.server, one),
                "personal": Case(edge.server, asked),
                "forwarded": Case(edge.server, asked, forwarded=True),
                "interpreted": Case(interpreted.server, asked),
                "server": Case(server, asked),
                "application": Case(application, asked),
            }
            results = measure_in_turns(wrk, cases, rounds)
        section = redirects_section(results)
        section.targets.append(spooled_target(results, {"cached", "personal", "forwarded"}, folder / "edge"))
        yield section
        with ExitStack() as variants:
            flat = {
                "nginx": Case(nginx, asked),
                "few": Case(
                    variants.enter_context(running_variant("uncached", folder / "u1", few)), asked_few
                ),
                "many": Case(variants.enter_context(running_variant("uncached", folder / "u2", many)), asked),
            }
            yield growth_section(wrk, flat, rounds, few=FEW, many=code_count)
        servers = {"nginx": (nginx, asked), "cached": (edge.server, one), "personal": (edge.server, asked)}
        maximum = median(run.rate for run in results["personal"])
        yield tail_section(servers, maximum)
        for spool in ("edge", "plain", "server", "app", "u1", "u2"):
            shutil.rmtree(folder / spool / "data", ignore_errors=True)  # gigabytes of clicks
        yield slow_clients_section(folder, many, asked)
        yield soak_section(folder, scratch, soak_requests)
        yield restart_section(folder, many, many_codes)


if __name__ == "__main__":
    main()
