"""Keeps the warehouse's house once a minute: erasures swept, old clicks dropped, tables measured."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry

from aggregator.erasure import purge_deleted_rows, sweep_erasures, sweep_recipients
from aggregator.metrics import AggregatorMetrics
from aggregator.retention import cutoffs, expire_clicks
from edge.contract import Ops, Settings
from ingest.contract import (
    Warehouse,
    WarehouseError,
    WarehouseUnavailableError,
    finish_removals,
    read_tenants,
)

PERIOD_S: Final = 60.0
# Rewriting parts costs as much as merging them, and queries don't see deleted rows anyway. The engine keeps
# the old parts for 8 minutes more, and what was erased is to be off the disk within an hour.
RUNS_A_PURGE: Final = 30

_log = logging.getLogger(__name__)


async def run(settings: Settings, warehouse: Warehouse, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Metrics are on `METRICS_PORT` + 2; raises `OSError` if that is taken."""
    registry = CollectorRegistry()
    housekeeping = Housekeeping(warehouse, settings.retention_days, AggregatorMetrics(registry))
    ops = Ops("aggregator", registry)
    ops.ready_when("warehouse", lambda: housekeeping.trouble)
    await ops.start(settings.api_host, settings.metrics_port + 2)
    try:
        while not stop.is_set():
            await asyncio.to_thread(housekeeping.run_once, datetime.now(UTC))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PERIOD_S)
    finally:
        await ops.close()


class Housekeeping:
    """The tasks of a run, one after the other. `trouble` says why the last run failed, None if it didn't."""

    def __init__(self, warehouse: Warehouse, retention_days: int, metrics: AggregatorMetrics) -> None:
        self.trouble: str | None = "the first run is under way"
        self._warehouse = warehouse
        self._retention_days = retention_days
        self._metrics = metrics
        self._runs = 0

    def run_once(self, now: datetime) -> None:
        """Run each task, whatever becomes of the others. Blocks."""
        trouble: str | None = None
        for name, task in self._tasks(now).items():
            began_s = time.monotonic()
            try:
                task()
            except (WarehouseError, WarehouseUnavailableError) as error:
                trouble = f"{name}: {error}"
                self._metrics.failures.labels(name).inc()
                _log.warning("%s", trouble)
            self._metrics.task_duration.labels(name).observe(time.monotonic() - began_s)
        self.trouble = trouble
        self._runs += 1
        if trouble is None:
            self._metrics.finish_run(now)

    def _tasks(self, now: datetime) -> Mapping[str, Callable[[], object]]:
        tasks: dict[str, Callable[[], object]] = {
            "sweep_erasures": lambda: self._metrics.swept_links.inc(sweep_erasures(self._warehouse, now)),
            "sweep_recipients": lambda: self._metrics.swept_clicks.inc(
                sweep_recipients(self._warehouse, now)
            ),
            "expire_clicks": lambda: self._metrics.expired_clicks.inc(self._expire(now)),
            "finish_removals": lambda: finish_removals(self._warehouse, now),
            "measure_tables": lambda: self._metrics.measure_tables(self._warehouse),
        }
        if self._runs % RUNS_A_PURGE == 0:
            tasks["purge_deleted_rows"] = lambda: purge_deleted_rows(self._warehouse)
        return tasks

    def _expire(self, now: datetime) -> int:
        tenants = read_tenants(self._warehouse)
        return expire_clicks(self._warehouse, list(cutoffs(tenants, self._retention_days, now)))
