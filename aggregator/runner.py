"""Keeps the warehouse's house once a minute: erasures swept, old clicks dropped, tables measured."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from aggregator.app_reports import remove_repeated_reports
from aggregator.broken_parts import had_no_room, mend_broken_parts
from aggregator.erasure import purge_deleted_rows, sweep_erasures, sweep_recipients
from aggregator.ledger import read_ledger
from aggregator.message_retention import expire_messages
from aggregator.metrics import AggregatorMetrics
from aggregator.reclassify import ReclassificationWorker
from aggregator.replay import settle_dead_letters
from aggregator.retention import cutoffs, expire_clicks
from aggregator.rollups import cancel_returns, refresh_returns, refresh_windows
from aggregator.webhooks.runner import run_webhooks
from edge.contract import Ops, Settings
from ingest.contract import (
    ReplayEnrichment,
    VisitorKeyError,
    Warehouse,
    WarehouseError,
    WarehouseUnavailableError,
    drop_salts,
    finish_removals,
    read_tenants,
)

PERIOD_S: Final = 60.0
# Who asked for a replay looks for it at once; a look at an empty table costs nothing.
SETTLE_PERIOD_S: Final = 2.0
ROLL_UP_PERIOD_S: Final = 5.0
CANCEL_PERIOD_S: Final = 1.0
# Windows of any age are looked at in one of so many rounds, recent ones in each.
ROUNDS_A_FULL_LOOK: Final = 60
# Rewriting parts costs as much as merging them, and queries don't see deleted rows anyway. The engine keeps
# the old parts for 8 minutes more, and what was erased is to be off the disk within an hour.
RUNS_A_PURGE: Final = 30

_log = logging.getLogger(__name__)


async def run(settings: Settings, warehouse: Warehouse, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Metrics are on `METRICS_PORT` + 2; raises `OSError` if that is taken."""
    registry = CollectorRegistry()
    enrichment = ReplayEnrichment(
        data_dir=settings.data_dir, geoip_path=settings.geoip_path, warehouse=warehouse
    )
    housekeeping = Housekeeping(
        warehouse,
        AggregatorMetrics(registry),
        retention_days=settings.retention_days,
        spool_dir=settings.spool_dir,
        enrichment=enrichment,
        reclassifications=ReclassificationWorker(warehouse, stop.is_set),
    )
    ops = Ops("aggregator", registry)
    ops.ready_when("warehouse", lambda: housekeeping.trouble)
    await ops.start(settings.api_host, settings.metrics_port + 2)
    try:
        await asyncio.gather(
            _repeat(housekeeping.run_once, PERIOD_S, stop),
            _repeat(housekeeping.settle, SETTLE_PERIOD_S, stop),
            _repeat(lambda now: housekeeping.roll_up(now, stop.is_set), ROLL_UP_PERIOD_S, stop),
            _count_returns(housekeeping, warehouse, stop),
            run_webhooks(settings, warehouse, registry, stop),
            _repeat(housekeeping.reclassify, SETTLE_PERIOD_S, stop),
        )
    finally:
        await ops.close()


async def _repeat(
    work: Callable[[datetime], None],
    period_s: float,
    stop: asyncio.Event,
    threads: ThreadPoolExecutor | None = None,
) -> None:
    """In one of these threads, else in one of those that all share."""
    while not stop.is_set():
        await asyncio.get_running_loop().run_in_executor(threads, work, datetime.now(UTC))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), period_s)


async def _count_returns(housekeeping: "Housekeeping", warehouse: Warehouse, stop: asyncio.Event) -> None:
    """Beside all else, for it may take as long as it takes; only the program's end doesn't wait for it."""
    thread = ThreadPoolExecutor(1, "returns")
    counting = asyncio.create_task(
        _repeat(lambda now: housekeeping.count_returns(now, stop.is_set), ROLL_UP_PERIOD_S, stop, thread)
    )
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((counting, stopping), return_when=asyncio.FIRST_COMPLETED)
        while not counting.done():
            with contextlib.suppress(WarehouseError, WarehouseUnavailableError):
                await asyncio.to_thread(cancel_returns, warehouse)
            await asyncio.wait((counting,), timeout=CANCEL_PERIOD_S)
        await counting
    finally:
        counting.cancel()
        stopping.cancel()
        thread.shutdown(wait=False)


class Housekeeping:
    """The tasks of a run, one after the other. `trouble` says why the last run failed, None if it didn't."""

    def __init__(
        self,
        warehouse: Warehouse,
        metrics: AggregatorMetrics,
        *,
        retention_days: int,
        spool_dir: Path,
        enrichment: ReplayEnrichment,
        reclassifications: ReclassificationWorker,
    ) -> None:
        self.trouble: str | None = "the first run is under way"
        self._warehouse = warehouse
        self._metrics = metrics
        self._retention_days = retention_days
        self._spool_dir = spool_dir
        self._enrichment = enrichment
        self._reclassifications = reclassifications
        self._runs = 0
        self._roll_ups = 0
        self._counts = 0

    def run_once(self, now: datetime) -> None:
        """Run each task, whatever becomes of the others. Blocks."""
        troubles = [self._attempt(name, task) for name, task in self._tasks(now).items()]
        self.trouble = next((trouble for trouble in reversed(troubles) if trouble is not None), None)
        self._runs += 1
        if self.trouble is None:
            self._metrics.finish_run(now)

    def settle(self, _now: datetime) -> None:
        """Do what was asked for dead letters. Blocks."""
        self._attempt(
            "settle_dead_letters",
            lambda: self._metrics.replayed.inc(settle_dead_letters(self._warehouse, self._enrichment)),
        )

    def roll_up(self, now: datetime, is_stopped: Callable[[], bool] = lambda: False) -> None:
        """Compute the rollups' stale windows, as long as there are any. Blocks."""
        everything = self._roll_ups % ROUNDS_A_FULL_LOOK == 0
        self._roll_ups += 1
        self._attempt(
            "roll_up",
            lambda: self._metrics.windows.inc(
                refresh_windows(self._warehouse, now, everything=everything, is_stopped=is_stopped)
            ),
        )

    def count_returns(self, now: datetime, is_stopped: Callable[[], bool] = lambda: False) -> None:
        """Count who returned on a day, where that is stale. A full look goes on until nothing is. Blocks."""
        everything = self._counts % ROUNDS_A_FULL_LOOK == 0
        counted = 0

        def count() -> None:
            nonlocal counted
            counted = refresh_returns(self._warehouse, now, everything=everything, is_stopped=is_stopped)

        self._attempt("count_returns", count)
        self._metrics.windows.inc(counted)
        if not (everything and counted):
            self._counts += 1

    def reclassify(self, now: datetime) -> None:
        """Judge clicks again: by their timing, and those that somebody asked for. Blocks."""
        self._attempt("reclassify", lambda: self._reclassifications.run_once(now))

    def _attempt(self, name: str, task: Callable[[], object]) -> str | None:
        """Why it failed, None where it didn't."""
        began_s = time.monotonic()
        trouble = None
        try:
            task()
        except (WarehouseError, WarehouseUnavailableError, OSError, VisitorKeyError) as error:
            trouble = f"{name}: {error}"
            self._metrics.failures.labels(name).inc()
            _log.warning("%s", trouble)
        self._metrics.task_duration.labels(name).observe(time.monotonic() - began_s)
        return trouble

    def _tasks(self, now: datetime) -> Mapping[str, Callable[[], object]]:
        tasks: dict[str, Callable[[], object]] = {
            "mend_broken_parts": self._mend,
            "sweep_erasures": lambda: self._metrics.swept_links.inc(sweep_erasures(self._warehouse, now)),
            "sweep_recipients": lambda: self._metrics.swept_clicks.inc(
                sweep_recipients(self._warehouse, now)
            ),
            "remove_repeated_reports": lambda: remove_repeated_reports(self._warehouse, now),
            "expire_clicks": lambda: self._metrics.expired_clicks.inc(self._expire(now)),
            "drop_salts": lambda: drop_salts(self._warehouse, int(now.timestamp() * 1000)),
            "finish_removals": lambda: finish_removals(self._warehouse, now),
            "read_ledger": lambda: self._metrics.ledger.publish(
                read_ledger(self._warehouse, self._spool_dir)
            ),
            "measure_tables": lambda: self._metrics.measure_tables(self._warehouse),
        }
        if self._runs % RUNS_A_PURGE == 0:
            tasks["purge_deleted_rows"] = lambda: purge_deleted_rows(self._warehouse)
        return tasks

    def _mend(self) -> None:
        if had_no_room(self._warehouse):
            mend_broken_parts(self._warehouse)

    def _expire(self, now: datetime) -> int:
        tenants = read_tenants(self._warehouse)
        wanted = list(cutoffs(tenants, self._retention_days, now))
        expire_messages(self._warehouse, wanted)
        return expire_clicks(self._warehouse, wanted)
