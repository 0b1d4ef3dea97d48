"""The aggregator as a program: its minute's work, its metrics, and its end."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from aggregator.contract import migrate, run
from aggregator.metrics import AggregatorMetrics
from aggregator.reclassify import ReclassificationWorker
from aggregator.runner import Housekeeping
from edge.contract import Settings
from ingest.contract import Catalogue, ReplayEnrichment, Warehouse
from tests.fixtures.clicks import insert_clicks
from tests.fixtures.ports import free_port

NOW = datetime(2025, 6, 15, 12, 7, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
WITHIN_S = 180


@pytest.fixture
def metrics_port() -> int:
    """A port whose second next one is free."""
    return free_port() - 2


def housekeeping_of(warehouse: Warehouse, registry: CollectorRegistry) -> Housekeeping:
    nowhere = Path("/nonexistent")
    return Housekeeping(
        warehouse,
        AggregatorMetrics(registry),
        retention_days=30,
        spool_dir=nowhere,
        enrichment=ReplayEnrichment(data_dir=nowhere, geoip_path=None, warehouse=warehouse),
        reclassifications=ReclassificationWorker(warehouse, lambda: False),
    )


async def wait_for_status(url: str, status: int) -> str:
    """The body of the first answer with this status, within `WITHIN_S`."""
    async with asyncio.timeout(WITHIN_S), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status == status:
                        return await answer.text()
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)


async def test_it_runs_tells_and_stops(warehouse: Warehouse, tmp_path: Path, metrics_port: int) -> None:
    settings = Settings(data_dir=tmp_path, metrics_port=metrics_port)
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, warehouse, stop))
    ops = f"http://127.0.0.1:{metrics_port + 2}"
    await wait_for_status(f"{ops}/readyz", 200)
    metrics = await wait_for_status(f"{ops}/metrics", 200)
    assert 'smartlinks_aggregator_rows{table="clicks"} 0.0' in metrics
    assert "smartlinks_aggregator_last_run_timestamp_seconds 1" in metrics
    stop.set()
    await asyncio.wait_for(running, WITHIN_S)


def test_one_run_does_all_tasks(warehouse: Warehouse) -> None:
    Catalogue(warehouse).delete_link("acme", 1, NOW_MS, token="x")
    insert_clicks(warehouse, [{"ts": NOW_MS, "seq": 1}], "late")
    insert_clicks(warehouse, [{"ts": NOW_MS - 90 * 86_400_000, "seq": 2, "link": 2}], "old")
    insert_clicks(warehouse, [{"ts": NOW_MS, "seq": 3, "link": 2}], "kept")
    registry = CollectorRegistry()
    housekeeping = housekeeping_of(warehouse, registry)
    housekeeping.run_once(NOW)
    assert housekeeping.trouble is None
    assert warehouse.query("SELECT seq FROM clicks") == [(3,)]
    assert registry.get_sample_value("smartlinks_aggregator_swept_links_total") == 1
    assert registry.get_sample_value("smartlinks_aggregator_expired_clicks_total") == 1
    assert registry.get_sample_value("smartlinks_ledger_balanced") == 1
    assert registry.get_sample_value("smartlinks_ledger_clicks", {"stage": "stored"}) == 3
    assert registry.get_sample_value("smartlinks_ledger_clicks", {"stage": "rows"}) == 1
    assert registry.get_sample_value("smartlinks_ledger_removed", {"reason": "erased"}) == 1
    assert registry.get_sample_value("smartlinks_aggregator_last_run_timestamp_seconds") == NOW.timestamp()


def test_a_task_that_fails_is_told_and_stops_no_other(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse.command("DROP TABLE erasures")
    registry = CollectorRegistry()
    housekeeping = housekeeping_of(warehouse, registry)
    housekeeping.run_once(NOW)
    assert housekeeping.trouble is not None
    assert housekeeping.trouble.startswith("sweep_erasures: ")
    assert registry.get_sample_value("smartlinks_aggregator_rows", {"table": "clicks"}) == 0
    failures = {"task": "sweep_erasures"}
    assert registry.get_sample_value("smartlinks_aggregator_task_failures_total", failures) == 1
    assert registry.get_sample_value("smartlinks_aggregator_last_run_timestamp_seconds") == 0


async def test_the_program_migrates_serves_and_ends_on_sigterm(
    open_clickhouse: Callable[[], Warehouse], clickhouse_url: str, tmp_path: Path, metrics_port: int
) -> None:
    environment = {
        **os.environ,
        "SMARTLINKS_CLICKHOUSE_URL": clickhouse_url,
        "SMARTLINKS_DATA_DIR": str(tmp_path),
        "SMARTLINKS_METRICS_PORT": str(metrics_port),
    }
    root = Path(__file__).parents[2]
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "aggregator", cwd=root, env=environment
    )
    try:
        await wait_for_status(f"http://127.0.0.1:{metrics_port + 2}/readyz", 200)
        program.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(program.wait(), WITHIN_S) == 0
    finally:
        if program.returncode is None:
            program.kill()


def test_the_schema_fits_a_server_too(open_clickhouse: Callable[[], Warehouse]) -> None:
    warehouse = open_clickhouse()
    migrate(warehouse)
    insert_clicks(warehouse, [{"ts": NOW_MS, "seq": 1}], "a")
    Catalogue(warehouse).delete_link("acme", 1, NOW_MS, token="x")
    housekeeping = housekeeping_of(warehouse, CollectorRegistry())
    housekeeping.run_once(NOW)
    assert housekeeping.trouble is None
    assert warehouse.query("SELECT count() FROM clicks") == [(0,)]
    warehouse.close()
