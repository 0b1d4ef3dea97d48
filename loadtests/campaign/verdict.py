"""Whether a load test holds: the edge's p99 against nginx's, as the same Locust process saw both.

Locust is a client in Python with one core for all its users, so a latency is mostly its own: it costs some
200 µs a request where the edge needs 10. It can't tell 1.2 times nginx from 1.5, but it does tell when
requests queue, wait for Redis, or are held up by a disk: that is what the bound is for. The fine figures are
`make bench`'s.
"""

from dataclasses import dataclass
from typing import Final

MOST_P99: Final = 2.0  # times nginx's, for recipients and the viral link
ALLOWANCE_MS: Final = (
    2.0  # on top: what one scheduling hiccup does to the p99 of a scenario with few requests
)
GUARDED: Final = ("recipient", "viral link")
BASELINE: Final = "nginx"


@dataclass(frozen=True, slots=True)
class Verdict:
    """p50 and p99 in ms and requests by scenario, and what is wrong with them, if anything."""

    percentiles_ms: dict[str, tuple[float, float]]
    requests: dict[str, int]
    faults: list[str]

    @property
    def holds(self) -> bool:
        return not self.faults

    def render(self) -> str:
        lines = [f"{'scenario':<12} {'requests':>9} {'p50 ms':>8} {'p99 ms':>8}"]
        lines += [
            f"{name:<12} {self.requests[name]:9,} {p50_ms:8.2f} {p99_ms:8.2f}"
            for name, (p50_ms, p99_ms) in sorted(self.percentiles_ms.items())
        ]
        return "\n".join([*lines, *(self.faults or ["the bound holds"])])


class Latencies:
    """Every latency of a run by scenario. Locust's own statistics round to whole milliseconds."""

    def __init__(self) -> None:
        self._latencies_ms: dict[str, list[float]] = {}
        self._failed: dict[str, int] = {}

    def add(self, scenario: str, latency_ms: float, *, failed: bool) -> None:
        self._latencies_ms.setdefault(scenario, []).append(latency_ms)
        self._failed[scenario] = self._failed.get(scenario, 0) + failed

    def judge(self) -> Verdict:
        percentiles_ms = {name: _percentiles_ms(latencies) for name, latencies in self._latencies_ms.items()}
        faults = [f"{name}: {failed} requests failed" for name, failed in self._failed.items() if failed]
        faults += [f"{name}: no requests" for name in (*GUARDED, BASELINE) if name not in self._latencies_ms]
        if not faults:
            bound_ms = MOST_P99 * percentiles_ms[BASELINE][1] + ALLOWANCE_MS
            faults = [
                f"{name}: p99 of {percentiles_ms[name][1]:.2f} ms exceeds {MOST_P99} x nginx's + "
                f"{ALLOWANCE_MS:g} ms = {bound_ms:.2f} ms"
                for name in GUARDED
                if percentiles_ms[name][1] > bound_ms
            ]
        return Verdict(
            percentiles_ms, {name: len(found) for name, found in self._latencies_ms.items()}, faults
        )


def _percentiles_ms(latencies_ms: list[float]) -> tuple[float, float]:
    ordered = sorted(latencies_ms)
    return ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
