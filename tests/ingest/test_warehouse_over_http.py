"""A warehouse over HTTP loses replies and is killed: every click is counted once, in rows and rollups."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest
from urllib3.util.timeout import Timeout

from aggregator.contract import migrate
from ingest.clickhouse import ClickHouseWarehouse
from ingest.contract import Warehouse, WarehouseUnavailableError, open_warehouse
from tests.fixtures.ports import free_ports
from tests.fixtures.warehouse import clickhouse_server
from tests.ingest.warehouse_faults import cut_replies, ingest_all


def test_a_job_waits_longer_than_other_statements_do(clickhouse_url: str) -> None:
    warehouse = ClickHouseWarehouse(clickhouse_url, "jobs")
    warehouse.command("CREATE TABLE IF NOT EXISTS sums (n UInt64) ENGINE = MergeTree ORDER BY n")
    # One block, so that the server has no progress to tell of meanwhile, as amid a large join.
    slow = (
        "INSERT INTO sums SELECT sum(sleepEachRow(1)) FROM numbers(3)"
        " SETTINGS function_sleep_max_microseconds_per_block = 0"
    )
    warehouse._client._backend.timeout = Timeout(read=1)
    with pytest.raises(WarehouseUnavailableError):
        warehouse.command(slow)
    warehouse.run_job("sum up", slow)
    warehouse.close()


@pytest.mark.drill
async def test_the_replies_of_inserts_are_lost(clickhouse_url: str, tmp_path: Path) -> None:
    outcome = await cut_replies(tmp_path, clickhouse_url, 20)
    outcome.check()
    assert outcome.retries > 0


@pytest.mark.drill
async def test_the_server_is_killed_and_comes_back(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with ExitStack() as stack:
        url, server = stack.enter_context(clickhouse_server(tmp_path, port))
        warehouse = open_warehouse(url, folder=tmp_path)
        migrate(warehouse)

        async def kill_twice(_: Warehouse) -> None:
            nonlocal server
            for _ in range(2):
                await asyncio.sleep(0.4)  # ingest is in the midst of its batches
                server.kill()
                server.wait()
                _, server = await asyncio.to_thread(stack.enter_context, clickhouse_server(tmp_path, port))

        outcome = await ingest_all(tmp_path, warehouse, 6_000, kill_twice)
        outcome.check()
        warehouse.close()
