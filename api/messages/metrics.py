"""Metrics of messages."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class MessageMetrics:
    """What is counted of messages. Made once a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.accepted = Counter("smartlinks_api_messages_accepted", "Messages accepted", registry=registry)
        self.refused = Counter(
            "smartlinks_api_messages_refused",
            "Destinations that were refused because they do not fit",
            registry=registry,
        )
        self.finished = Counter(
            "smartlinks_api_messages_finished",
            "Messages that were handed over or given up, by what became of them",
            ("status",),
            registry=registry,
        )
        self.postponed = Counter(
            "smartlinks_api_messages_postponed",
            "Times that a message had to wait because the gateway could not take it",
            registry=registry,
        )
        self.waiting = Gauge(
            "smartlinks_api_messages_waiting", "Messages that wait for the gateway", registry=registry
        )
        self.gateway_seconds = Histogram(
            "smartlinks_api_gateway_seconds",
            "Time that the gateway took for a message, retries included",
            buckets=SECONDS,
            registry=registry,
        )
