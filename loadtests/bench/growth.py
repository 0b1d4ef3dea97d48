"""Whether a redirect costs the same with many codes in Redis as with few.

It is measured at one rate for both: a worker's batches grow with the rate, and a bigger batch costs less a
request. As fast as they are answered, few codes are answered faster, because Redis, which needs longer to
find one among many, shares its core with the load generator. Those figures stand beside it.
"""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Final

from loadtests.bench.figures import Section, Target
from loadtests.bench.redirects import Results, measure_in_turns, ratios
from loadtests.bench.wrk import Case, Wrk
from loadtests.constant_rate import offer_from_load_core
from loadtests.neighbours import Server
from loadtests.processes import cpu_s

SECONDS: Final = 2.0
ROUNDS: Final = 9
MOST_GROWTH: Final = 1.1


def growth_section(wrk: Wrk, cases: Mapping[str, Case], rounds: int, *, few: int, many: int) -> Section:
    """`cases` are `nginx`, `few` and `many`, the last two by workers that cache next to nothing.

    `few` and `many` are how many codes these have.
    """
    results = measure_in_turns(wrk, cases, rounds)
    rate = min(median(run.rate for run in results[name]) for name in ("few", "many")) / 2
    cpu_us: dict[str, list[float]] = {"few": [], "many": []}
    failed = 0
    for _ in range(ROUNDS):
        for name, figures in cpu_us.items():
            used_us, unanswered = _cpu_us_at(cases[name].server, cases[name].codes, rate)
            figures.append(used_us)
            failed += unanswered
    pairs = zip(cpu_us["many"], cpu_us["few"], strict=True)
    growth = median(of_many / of_few for of_many, of_few in pairs)
    return Section(
        "The cost is flat",
        f"Codes in Redis, each request looked up there by a worker whose caches are cut to 200 codes. At "
        f"{rate:,.0f} requests a second for both, {ROUNDS} rounds of {SECONDS:g} s; and as fast as they are "
        "answered, where few codes are answered faster, in bigger batches that cost less a request, because "
        "Redis shares its core with the load generator.",
        (
            "codes",
            "CPU µs at that rate",
            "as fast as answered: CPU µs",
            "x nginx",
            "instructions",
            "requests/s",
        ),
        [_row(f"{few:,}", cpu_us["few"], results, "few"), _row(f"{many:,}", cpu_us["many"], results, "many")],
        [
            Target(f"CPU a redirect at {many:,} codes", growth, MOST_GROWTH, unit=f"x that at {few:,}"),
            Target("requests unanswered while that was measured", failed, 0, unit=""),
        ],
        [f"As fast as answered: {ratios(results, 'many', 'cpu_us', base='few'):.2f} x in CPU."],
    )


def _cpu_us_at(server: Server, codes: Path, rate: float) -> tuple[float, int]:
    """The server's CPU a request in µs at a constant rate, and how many requests it failed to answer."""
    before_s = cpu_s(server.pid)
    offered = offer_from_load_core(server.port, codes, rate=rate, seconds=SECONDS)
    return (cpu_s(server.pid) - before_s) / max(1, offered.requests) * 1e6, offered.failed


def _row(codes: str, cpu_us: list[float], results: Results, name: str) -> tuple[str, ...]:
    return (
        codes,
        f"{median(cpu_us):.2f}",
        f"{median(run.cpu_us for run in results[name]):.2f}",
        f"{ratios(results, name, 'cpu_us'):.2f}",
        f"{median(run.instructions or 0 for run in results[name]):,.0f}",
        f"{median(run.rate for run in results[name]):,.0f}",
    )
