"""What the shipper tells of itself. Names are literals."""

import time
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_ACK_BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ShipperMetrics:
    """The metrics of one shipper, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._oldest_ms: int | None = None
        # Events that Kafka acknowledged. More than were spooled where some were sent again.
        self.sent = Counter("smartlinks_shipper_sent", "Events acknowledged", registry=registry)
        self.sent_bytes = Counter(
            "smartlinks_shipper_sent_bytes", "Bytes of acknowledged batches", registry=registry
        )
        # Sent again though they may have been written: what ingest may find to be repeats.
        self.repeats = Counter("smartlinks_shipper_repeats", "Events sent again", registry=registry)
        self.rebuilds = Counter("smartlinks_shipper_rebuilds", "Producers replaced", registry=registry)
        # No event of ours is so large; where this moves, the topic's max.message.bytes is too small.
        self.oversized = Counter(
            "smartlinks_shipper_oversized", "Events dropped, too large for the topic", registry=registry
        )
        self.damaged = Counter(
            "smartlinks_shipper_damaged_records", "Records whose bytes don't check", registry=registry
        )
        self.ack_seconds = Histogram(
            "smartlinks_shipper_ack_seconds",
            "Time to the acknowledgement of a batch",
            buckets=_ACK_BUCKETS_S,
            registry=registry,
        )
        age = Gauge(
            "smartlinks_shipper_backlog_age_seconds",
            "Age of the oldest click not yet sent",
            registry=registry,
        )
        age.set_function(self.backlog_age_s)

    def watch_backlog(self, lag_bytes: Callable[[], int]) -> None:
        """Tell how many bytes wait in the spool; any thread asks."""
        backlog = Gauge(
            "smartlinks_shipper_backlog_bytes", "Spooled and not yet acknowledged", registry=self._registry
        )
        backlog.set_function(lag_bytes)

    def set_oldest(self, ts_ms: int | None) -> None:
        """When the oldest click that waits was made, Unix ms; None where none does."""
        self._oldest_ms = ts_ms

    def backlog_age_s(self) -> float:
        """Seconds; 0 where nothing waits."""
        if self._oldest_ms is None:
            return 0.0
        return max(0.0, time.time() - self._oldest_ms / 1000)
