"""What ingest tells of itself. Names are literals; no code, number or URL is ever a label."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ingest.columns import Column
from ingest.decode import DEAD_REASONS

_BATCH_BUCKETS: Final = (1, 10, 100, 1_000, 5_000, 10_000, 20_000, 50_000)
_INSERT_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_DELAY_BUCKETS_S: Final = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3_600, 86_400)

LagUnit = Literal["bytes", "events"]
_LAG_NAMES: Final[dict[LagUnit, str]] = {
    "bytes": "smartlinks_ingest_lag_bytes",
    "events": "smartlinks_ingest_lag_events",
}


class IngestMetrics:
    """The metrics of one ingest program, in a registry of its own."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        lag: Callable[[], int],
        lag_unit: LagUnit,
        cache_uses: Callable[[], Mapping[str, tuple[int, int]]],
    ) -> None:
        # Events read from the source, be they good or dead letters.
        self.consumed = Counter("smartlinks_ingest_consumed", "Events read", registry=registry)
        # Clicks whose insert was acknowledged. After a crash the last batch may be counted by both lives.
        self.stored = Counter("smartlinks_ingest_stored", "Clicks stored", registry=registry)
        self.dead_letters = Counter(
            "smartlinks_ingest_dead_letters", "Events that are no clicks", ["reason"], registry=registry
        )
        for reason in DEAD_REASONS:
            self.dead_letters.labels(reason)
        self.damaged = Counter(
            "smartlinks_ingest_damaged_records", "Records whose bytes don't check", registry=registry
        )
        # Came before, and were left out: a shipper's or a producer's second try.
        self.repeated = Counter(
            "smartlinks_ingest_repeated", "Events that came more than once", registry=registry
        )
        # Numbers of a source that were jumped over: clicks not spooled, damaged records, dead letters.
        self.missing = Counter(
            "smartlinks_ingest_missing_numbers", "Numbers that never came", registry=registry
        )
        self.retries = Counter(
            "smartlinks_ingest_retries", "Tries that failed and were repeated", registry=registry
        )
        self.batch_clicks = Histogram(
            "smartlinks_ingest_batch_clicks", "Clicks a batch", buckets=_BATCH_BUCKETS, registry=registry
        )
        self.insert_seconds = Histogram(
            "smartlinks_ingest_insert_seconds",
            "Time an acknowledged insert took",
            buckets=_INSERT_BUCKETS_S,
            registry=registry,
        )
        # Divided by consumed: what one event costs in each step of enrichment.
        self.step_seconds = Counter(
            "smartlinks_ingest_step_seconds", "Time spent in each step", ["step"], registry=registry
        )
        # Stored clicks whose user agent no parser or rule knows: look at them, and add to the rules.
        self.unknown_user_agents = Counter(
            "smartlinks_ingest_unknown_user_agents",
            "Stored clicks of a browser that is Other, or judged by the last rule",
            ["by"],
            registry=registry,
        )
        for by in ("browser", "rule"):
            self.unknown_user_agents.labels(by)
        self.delays = DelayHistogram()
        registry.register(self.delays)
        lag_gauge = Gauge(_LAG_NAMES[lag_unit], "Has come and is not yet stored", registry=registry)
        lag_gauge.set_function(lag)
        registry.register(CacheCollector(cache_uses))


class DelayHistogram(Collector):
    """Seconds from click to stored. Counts a batch at once: a call a click would cost 2 microseconds each."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_DELAY_BUCKETS_S) + 1)
        self._sum_s = 0.0

    def observe_batch(self, times_ms: Column, now_ms: int) -> None:
        """Count clicks of these times as stored now; one from the future counts as 0."""
        delays_s = np.sort(np.maximum(0, now_ms - np.asarray(times_ms)) / 1000)
        self._sum_s += float(delays_s.sum())
        ends = [0, *np.searchsorted(delays_s, _DELAY_BUCKETS_S, "right").tolist(), len(delays_s)]
        for bucket, (start, end) in enumerate(pairwise(ends)):
            self._counts[bucket] += end - start

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "smartlinks_ingest_click_to_stored_seconds", "Time from click to stored"
        )
        family.add_metric([], _cumulated(self._counts), self._sum_s)
        yield family


class CacheCollector(Collector):
    """Hits and misses of the enrichment's caches, read when scraped."""

    def __init__(self, cache_uses: Callable[[], Mapping[str, tuple[int, int]]]) -> None:
        self._cache_uses = cache_uses

    def collect(self) -> Iterator[Metric]:
        hits = CounterMetricFamily("smartlinks_ingest_cache_hits", "Cache hits", labels=["cache"])
        misses = CounterMetricFamily("smartlinks_ingest_cache_misses", "Cache misses", labels=["cache"])
        for name, (hit, missed) in self._cache_uses().items():
            hits.add_metric([name], hit)
            misses.add_metric([name], missed)
        yield hits
        yield misses


def _cumulated(counts: Sequence[int]) -> list[tuple[str, float]]:
    bounds = (*(f"{float(bound)}" for bound in _DELAY_BUCKETS_S), "+Inf")
    return [(bound, sum(counts[: index + 1])) for index, bound in enumerate(bounds)]
