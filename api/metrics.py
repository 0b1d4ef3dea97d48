"""Metrics of the api program, and the middleware that measures requests."""

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.conventions.paths import template_of
from api.messages.metrics import MessageMetrics

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """All that the program counts. Routes are labelled by their template, never by a path."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "smartlinks_api_requests",
            "Requests answered",
            ("route", "method", "status"),
            registry=registry,
        )
        self.request_seconds = Histogram(
            "smartlinks_api_request_seconds",
            "Time from a request's head to the end of its answer",
            ("route", "method"),
            buckets=SECONDS,
            registry=registry,
        )
        self.links_made = Counter("smartlinks_api_links_made", "Links made", registry=registry)
        self.links_deleted = Counter("smartlinks_api_links_deleted", "Links deleted", registry=registry)
        self.codes_minted = Counter(
            "smartlinks_api_codes_minted", "Codes minted for recipients", registry=registry
        )
        self.link_commands = Counter(
            "smartlinks_api_link_commands", "Link commands from Kafka answered", registry=registry
        )
        self.link_commands_undecodable = Counter(
            "smartlinks_api_link_commands_undecodable",
            "Values on the topic of link commands that were none",
            registry=registry,
        )
        self.restored = Counter(
            "smartlinks_api_restored",
            "Links and codes put back into a Redis that had lost them",
            registry=registry,
        )
        self.audit_backlog = Gauge(
            "smartlinks_api_audit_backlog",
            "Entries of the audit log that wait for the warehouse",
            registry=registry,
        )
        self.audit_failures = Gauge(
            "smartlinks_api_audit_failures",
            "Changes whose entry could not be written since the start; must be 0",
            registry=registry,
        )
        self.access_age_seconds = Gauge(
            "smartlinks_api_access_age_seconds",
            "How old what is known of service keys and tenants is",
            registry=registry,
        )
        self.outbox_backlog = Gauge(
            "smartlinks_api_outbox_backlog",
            "Link events that wait for Redis or the warehouse",
            registry=registry,
        )
        self.messages = MessageMetrics(registry)


class Measurement:
    """ASGI middleware: counts and times each request under its route's template."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        start = time.perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            route, method = template_of(scope), scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(route, method, status).inc()
            self._metrics.request_seconds.labels(route, method).observe(time.perf_counter() - start)
