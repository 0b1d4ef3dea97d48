"""A worker's metrics. Summed over workers by prometheus-client's multiprocess mode."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from edge.counters import OUTCOMES, Counters

_LOOKUP_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class EdgeMetrics:
    """Publishes what `Counters` counted. `publish` is called once a second, and once more at the end."""

    def __init__(self, registry: CollectorRegistry, *, is_compiled: bool) -> None:
        requests = Counter(
            "smartlinks_edge_requests",
            "Requests answered: redirected (302), association_file (200), gone (410), not_found (404), "
            "too_many_misses (429), unavailable (503), method_not_allowed (405), bad_request (400), "
            "failed (500).",
            ["outcome"],
            registry=registry,
        )
        lookups = Counter(
            "smartlinks_edge_lookups", "Look-ups sent to Redis: a code, a link.", ["kind"], registry=registry
        )
        self._answers = {outcome: requests.labels(outcome) for outcome in OUTCOMES}
        self._totals = {
            "clicks_spooled": Counter(
                "smartlinks_edge_clicks_spooled",
                "Clicks written to the spool, orphans among them.",
                registry=registry,
            ),
            "clicks_dropped": Counter(
                "smartlinks_edge_clicks_dropped",
                "Clicks answered that could not be spooled (disk full or read-only): they are lost.",
                registry=registry,
            ),
            "orphans_unrecorded": Counter(
                "smartlinks_edge_orphans_unrecorded",
                "Misses that were answered and not recorded as clicks: beyond what is recorded a second.",
                registry=registry,
            ),
            "spool_bytes": Counter("smartlinks_edge_spool_bytes", "Bytes spooled.", registry=registry),
            "code_lookups": lookups.labels("code"),
            "link_lookups": lookups.labels("link"),
            "cache_hits": Counter(
                "smartlinks_edge_cache_hits", "Requests that needed no look-up.", registry=registry
            ),
            "redis_reconnects": Counter(
                "smartlinks_edge_redis_reconnects", "Connections to Redis that were lost.", registry=registry
            ),
        }
        self._lookup_seconds = Histogram(
            "smartlinks_edge_lookup_seconds",
            "Round trips to Redis, sampled: at most 200 a second and worker.",
            buckets=_LOOKUP_BUCKETS_S,
            registry=registry,
        )
        self._unsynced_bytes = Gauge(
            "smartlinks_edge_spool_unsynced_bytes",
            "Spooled bytes that a power cut could take.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        Gauge(
            "smartlinks_edge_compiled",
            "Whether the redirect path runs compiled (1) or interpreted (0); the lowest of all workers.",
            multiprocess_mode="livemin",
            registry=registry,
        ).set(is_compiled)
        self._published = Counters()

    def publish(self, counters: Counters, unsynced_bytes: int) -> None:
        published = self._published
        for outcome, answered in counters.answers.items():
            self._answers[outcome].inc(answered - published.answers[outcome])
            published.answers[outcome] = answered
        for name, metric in self._totals.items():
            total = getattr(counters, name)
            metric.inc(total - getattr(published, name))
            setattr(published, name, total)
        samples_s, counters.lookup_samples_s = counters.lookup_samples_s, []
        for seconds in samples_s:
            self._lookup_seconds.observe(seconds)
        self._unsynced_bytes.set(unsynced_bytes)
