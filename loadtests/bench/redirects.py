"""CPU a redirect and requests a second: one worker, one core, closed loop."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Final

from loadtests.bench.figures import Section, Target
from loadtests.bench.wrk import CONNECTIONS, Case, Measurement, Wrk
from loadtests.neighbours import spooled_clicks

SECONDS: Final = 1
MOST_CPU: Final = {"personal": 2.0, "cached": 1.6}
LEAST_RATE: Final = 0.5

_MEANING: Final = {
    "nginx": "`return 302`",
    "cached": "the same code each time",
    "personal": "each code once: Redis asked, click spooled",
    "forwarded": "as personal, each with an `X-Forwarded-For` of its own",
    "interpreted": "as personal, by an edge that was not compiled",
    "server": "as personal, by aiohttp's `web.Server` alone",
    "application": "as personal, by an aiohttp `web.Application`",
}

Results = dict[str, list[Measurement]]


def measure_in_turns(wrk: Wrk, cases: Mapping[str, Case], rounds: int) -> Results:
    """Each round measures every case once, so that a slow spell of the machine hits all of them."""
    results: Results = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            results[name].append(wrk.measure(case, SECONDS))
    return results


def ratios(results: Results, name: str, field: str, base: str = "nginx") -> float:
    """Median over the rounds of a figure's ratio to the base's in the same round."""
    pairs = zip(results[name], results[base], strict=True)
    return median(float(getattr(run, field)) / float(getattr(reference, field)) for run, reference in pairs)


def redirects_section(results: Results) -> Section:
    rows = [_row(results, name) for name in _MEANING]
    targets = [Target(f"CPU a redirect, {name}", ratios(results, name, "cpu_us"), bound)
               for name, bound in MOST_CPU.items()]  # fmt: skip
    targets += [Target(f"requests a second, {name}", ratios(results, name, "rate"), LEAST_RATE, "at least")
                for name in MOST_CPU]  # fmt: skip
    errors = sum(run.errors for runs in results.values() for run in runs)
    targets.append(Target("failed requests in all runs", errors, 0, unit=""))
    return Section(
        "A redirect",
        f"{CONNECTIONS} kept-alive connections as fast as they are answered (wrk), {len(results['nginx'])} "
        f"rounds of {SECONDS} s; medians of the ratios within a round. Instructions are those in user space.",
        (
            "case",
            "asks for",
            "CPU µs",
            "x nginx",
            "instructions",
            "x nginx",
            "requests/s",
            "x nginx",
            "p99 ms",
        ),
        rows,
        targets,
        ["wrk is at its own limit before nginx is, so the edge's share of nginx's requests/s is flattered."],
    )


def _row(results: Results, name: str) -> tuple[str, ...]:
    runs = results[name]
    counted = [run.instructions for run in runs if run.instructions is not None]
    return (
        name,
        _MEANING[name],
        f"{median(run.cpu_us for run in runs):.2f}",
        f"{ratios(results, name, 'cpu_us'):.2f}",
        f"{median(counted):,.0f}" if counted else "not countable",
        f"{ratios(results, name, 'instructions'):.2f}" if counted else "",
        f"{median(run.rate for run in runs):,.0f}",
        f"{ratios(results, name, 'rate'):.2f}",
        f"{median(run.p99_ms for run in runs):.1f}",
    )


def spooled_target(results: Results, names: set[str], folder: Path) -> Target:
    """Clicks missing under `folder`, or too many: wrk hangs up on a request a connection at most."""
    answered = sum(run.requests for name in names for run in results[name])
    surplus_of_runs = CONNECTIONS * sum(len(results[name]) for name in names)
    spooled = spooled_clicks(folder)
    wrong = max(0, answered - spooled) + max(0, spooled - answered - surplus_of_runs)
    return Target(f"clicks lost or doubled of {answered:,}", wrong, 0, unit="")
