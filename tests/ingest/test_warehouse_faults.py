"""A warehouse that is closed, gone, dead or held by another process."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.contract import Warehouse, WarehouseUnavailableError, open_warehouse
from tests.fixtures.warehouse import clickhouse_server


def test_a_closed_warehouse_is_unavailable(open_chdb: Callable[[], Warehouse]) -> None:
    warehouse = open_chdb()
    warehouse.close()
    for statement in (
        lambda: warehouse.query("SELECT 1"),
        lambda: warehouse.insert("missing", {"n": [1]}, token="a"),
        lambda: list(warehouse.stream("SELECT 1")),
    ):
        with pytest.raises(WarehouseUnavailableError):
            statement()


async def test_a_proxy_that_finds_no_server_is_unavailable(tmp_path: Path) -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    proxy = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    with pytest.raises(WarehouseUnavailableError):
        await asyncio.to_thread(open_warehouse, f"http://127.0.0.1:{port}", folder=tmp_path)
    proxy.close()


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(WarehouseUnavailableError):
        open_warehouse("http://127.0.0.1:1", folder=tmp_path)


def test_a_server_that_dies_is_unavailable(tmp_path: Path) -> None:
    with clickhouse_server(tmp_path) as (url, server):
        warehouse = open_warehouse(url, folder=tmp_path)
        warehouse.command("CREATE TABLE numbers (n UInt64) ENGINE = MergeTree ORDER BY n")
        stream = warehouse.stream("SELECT number FROM numbers(100000000)")
        next(stream)
        server.kill()
        server.wait()
        statements: list[Callable[[], object]] = [
            lambda: warehouse.query("SELECT 1"),
            lambda: warehouse.command("SELECT 1"),
            lambda: warehouse.insert("numbers", {"n": [1]}, token="a"),
            lambda: list(warehouse.stream("SELECT 1")),
            lambda: list(stream),
        ]
        for statement in statements:
            with pytest.raises(WarehouseUnavailableError):
                statement()
        warehouse.close()


def test_a_folder_that_can_not_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WarehouseUnavailableError, match="can't make the warehouse's folder"):
        open_warehouse(None, folder=tmp_path / "file" / "warehouse")


HOLDER = """
import sys, pathlib
from ingest.chdb import ChdbWarehouse
warehouse = ChdbWarehouse(pathlib.Path(sys.argv[1]), "smartlinks")
warehouse.command("CREATE TABLE IF NOT EXISTS numbers (n UInt64) ENGINE = MergeTree ORDER BY n")
((stored,),) = warehouse.query("SELECT count() FROM numbers")
print("open", stored, flush=True)
for n in range(10**6):
    warehouse.insert("numbers", {"n": [n] * 10}, token=str(n))
    print(n, flush=True)
"""

OPENER = """
import sys, pathlib
from ingest.contract import WarehouseUnavailableError, open_warehouse
try:
    open_warehouse(None, folder=pathlib.Path(sys.argv[1]))
except WarehouseUnavailableError as error:
    print(error)
"""


def test_a_folder_has_one_process_and_survives_its_kill(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]

    def start(program: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", program, str(tmp_path)]
        return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)

    acknowledged = 0
    for _ in range(3):
        with start(HOLDER) as holder:
            assert holder.stdout is not None
            word, stored = holder.stdout.readline().split()
            assert word == "open"
            # The insert under way when the process was killed may have been stored whole, or not at all.
            assert int(stored) - acknowledged in {0, 10}
            for _ in range(20):
                holder.stdout.readline()
            with start(OPENER) as opener:
                said, _ = opener.communicate()
            assert f"is open in process {holder.pid}" in said
            os.kill(holder.pid, signal.SIGKILL)
            acknowledged = int(stored) + 10 * (20 + len(holder.stdout.readlines()))


def test_an_answer_that_the_server_has_no_room_for_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    with clickhouse_server(tmp_path) as (url, server):
        warehouse = open_warehouse(url, folder=tmp_path)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, hard))  # as a disk that is full
        for ask in (warehouse.query, warehouse.query_dicts):
            with pytest.raises(WarehouseUnavailableError):
                ask("SELECT 1")
        assert warehouse.query("SELECT 1 WHERE 0") == []
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert warehouse.query("SELECT 1") == [(1,)]
        assert warehouse.query_dicts("SELECT 1 AS one") == [{"one": 1}]
        warehouse.close()
