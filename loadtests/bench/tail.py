"""p99 at half of the edge's own maximum, beside nginx at the same rate, by an open-model generator.

Each run goes on in the code list where the one before ended, so that no code is still cached from the last
round, whatever the rate.
"""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Final

from loadtests.bench.figures import Section, Target
from loadtests.constant_rate import Offered, offer_from_load_core, pooled_percentile_ms
from loadtests.neighbours import Server

SECONDS: Final = 0.5  # short enough that some rounds have none of the machine's own pauses
ROUNDS: Final = 24
MOST_P99: Final = 2.0
BEYOND_ANY_SERVER: Final = 400_000.0  # requests a second


def tail_section(servers: Mapping[str, tuple[Server, Path]], maximum: float) -> Section:
    """`servers` by case, with the codes to ask for; `maximum` is the edge's, in requests a second."""
    rate = maximum / 2
    runs: dict[str, list[Offered]] = {name: [] for name in servers}
    for number in range(ROUNDS):
        first = number * int(rate * SECONDS)
        for name, (server, codes) in servers.items():
            run = offer_from_load_core(server.port, codes, rate=rate, seconds=SECONDS, first=first)
            runs[name].append(run)
    nginx, codes = servers["nginx"]
    limit = offer_from_load_core(nginx.port, codes, rate=BEYOND_ANY_SERVER, seconds=1.0)
    quietest_ms = {name: min(run.p99_ms for run in mine) for name, mine in runs.items()}
    ratios = {name: p99_ms / quietest_ms["nginx"] for name, p99_ms in quietest_ms.items()}
    rows = [
        (
            name,
            f"{median(run.p50_ms for run in mine):.2f}",
            f"{median(run.p99_ms for run in mine):.2f}",
            f"{median(run.p999_ms for run in mine):.2f}",
            f"{pooled_percentile_ms(mine, 0.99):.2f}",
            f"{quietest_ms[name]:.2f}",
            f"{ratios[name]:.2f}",
            f"{min(run.achieved_rate for run in mine):,.0f}",
        )
        for name, mine in runs.items()
    ]
    failed = sum(run.failed for mine in runs.values() for run in mine)
    targets = [
        Target(f"p99 at half of the maximum, {name}", ratio, MOST_P99)
        for name, ratio in ratios.items()
        if name != "nginx"
    ]
    return Section(
        "Latency at a constant rate",
        f"{rate:,.0f} requests a second, half of the edge's maximum; {ROUNDS} rounds of {SECONDS:g} s, each "
        "latency counted from the moment its request was due. Medians over the rounds, the p99 of all "
        "requests, and that of a server's quietest round: what else runs on a shared machine can only add.",
        (
            "case",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "p99 of all ms",
            "quietest p99 ms",
            "x nginx",
            "least rate kept",
        ),
        rows,
        [*targets, Target("requests unanswered at the constant rate", failed, 0, unit="")],
        [f"The generator's own limit: {limit.achieved_rate:,.0f} requests a second."],
    )
