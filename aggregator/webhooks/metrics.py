"""What the webhooks tell Prometheus. No label names a tenant, a URL or a webhook."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class WebhookMetrics:
    """One registry's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "smartlinks_aggregator_webhook_attempts",
            "Tries to deliver, by what came of them: delivered, failed (tried again), given_up, disabled",
            ["outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            "smartlinks_aggregator_webhook_seconds", "How long receivers took to answer", registry=registry
        )
        self.pending = Gauge(
            "smartlinks_aggregator_webhook_pending",
            "Deliveries that wait for their next try",
            registry=registry,
        )
        self.made = Counter(
            "smartlinks_aggregator_webhook_deliveries",
            "Deliveries made, by what they tell",
            ["feed"],
            registry=registry,
        )
