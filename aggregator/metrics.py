"""What the aggregator tells Prometheus."""

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from aggregator.ledger_metrics import LedgerMetrics
from ingest.contract import Warehouse

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300)


class AggregatorMetrics:
    """One registry's metrics; the labels are names of our own tables and tasks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows = Gauge("smartlinks_aggregator_rows", "Rows of a table", ["table"], registry=registry)
        self.parts = Gauge(
            "smartlinks_aggregator_parts", "Active parts of a table", ["table"], registry=registry
        )
        self.bytes = Gauge("smartlinks_aggregator_bytes", "Bytes on disk", ["table"], registry=registry)
        self.last_run = Gauge(
            "smartlinks_aggregator_last_run_timestamp_seconds",
            "Unix time of the last run in which every task succeeded",
            registry=registry,
        )
        self.windows = Counter(
            "smartlinks_aggregator_windows", "Windows of the rollups computed", registry=registry
        )
        self.task_duration = Histogram(
            "smartlinks_aggregator_task_seconds",
            "Duration of a task",
            ["task"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.failures = Counter(
            "smartlinks_aggregator_task_failures", "Tasks that failed", ["task"], registry=registry
        )
        self.swept_links = Counter(
            "smartlinks_aggregator_swept_links",
            "Erased links of which something arrived afterwards",
            registry=registry,
        )
        self.swept_clicks = Counter(
            "smartlinks_aggregator_swept_clicks",
            "Clicks of erased people that arrived afterwards",
            registry=registry,
        )
        self.expired_clicks = Counter(
            "smartlinks_aggregator_expired_clicks", "Clicks older than their tenant keeps", registry=registry
        )

        self.replayed = Counter(
            "smartlinks_aggregator_replayed_letters", "Dead letters replayed", registry=registry
        )
        self.ledger = LedgerMetrics(registry)

    def measure_tables(self, warehouse: Warehouse) -> None:
        for table, rows, parts, size in warehouse.query(
            "SELECT tables.name, sum(parts.rows), countIf(parts.active), sum(parts.bytes_on_disk)"
            " FROM system.tables AS tables LEFT JOIN"
            " (SELECT database, table, rows, active, bytes_on_disk FROM system.parts WHERE active) AS parts"
            " ON parts.database = tables.database AND parts.table = tables.name"
            " WHERE tables.database = currentDatabase() AND tables.engine LIKE '%MergeTree'"
            " GROUP BY tables.name"
        ):
            self.rows.labels(table).set(rows)
            self.parts.labels(table).set(parts)
            self.bytes.labels(table).set(size)

    def finish_run(self, now: datetime) -> None:
        self.last_run.set(now.timestamp())
