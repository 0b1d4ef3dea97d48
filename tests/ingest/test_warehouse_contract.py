"""What every warehouse adapter promises, held against each of them."""

import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.contract import Warehouse, WarehouseError, WarehouseUnavailableError, open_warehouse
from ingest.deduplication import verify_deduplication
from tests.fixtures.warehouse import clickhouse_server

ODD_STRINGS = [
    "",
    "a'b",
    "a\\b",
    "line\nnew\ttab\r",
    "ünï😀",
    "\\N",
    "{x:String}",
    "\\'",
    "null",
    "\x00z",
    '"q"',
]


@pytest.fixture(params=["open_chdb", "open_clickhouse"])
def empty_warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    opener: Callable[[], Warehouse] = request.getfixturevalue(request.param)
    warehouse = opener()
    yield warehouse
    (database,) = warehouse.query("SELECT currentDatabase()")[0]
    warehouse.command(f"DROP DATABASE `{database}` SYNC")
    warehouse.close()


@pytest.fixture
def numbers(empty_warehouse: Warehouse) -> Warehouse:
    """A table `numbers` and a view that sums it up by parity, both with a deduplication window."""
    window = "SETTINGS non_replicated_deduplication_window = 100"
    empty_warehouse.command(
        f"CREATE TABLE numbers (n UInt64, at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY n {window}"
    )
    empty_warehouse.command(
        "CREATE TABLE sums (odd Bool, total SimpleAggregateFunction(sum, UInt64))"
        f" ENGINE = AggregatingMergeTree ORDER BY odd {window}"
    )
    return empty_warehouse


VIEW = (
    "CREATE MATERIALIZED VIEW sums_view TO sums AS"
    " SELECT n % 2 = 1 AS odd, {} AS total FROM numbers GROUP BY odd"
)


def insert(warehouse: Warehouse, values: list[int], token: str) -> None:
    warehouse.insert("numbers", {"n": values, "at": [0] * len(values)}, token=token)


def totals(warehouse: Warehouse) -> tuple[int, int]:
    ((stored,),) = warehouse.query("SELECT sum(n) FROM numbers")
    ((summed,),) = warehouse.query("SELECT sum(total) FROM sums")
    return stored, summed


def test_a_repeated_token_adds_nothing_to_table_or_view(numbers: Warehouse) -> None:
    numbers.command(VIEW.format("sum(n)"))
    for _ in range(3):
        insert(numbers, [1, 2, 3], "a")
    insert(numbers, [1, 2, 3], "b")
    assert totals(numbers) == (12, 12)


def test_a_repeat_mends_a_view_that_had_failed(numbers: Warehouse) -> None:
    numbers.command(VIEW.format("sum(n + throwIf(n = 3))"))
    with pytest.raises(WarehouseError):
        insert(numbers, [1, 2, 3], "a")
    numbers.command("DROP TABLE sums_view")
    numbers.command(VIEW.format("sum(n)"))
    insert(numbers, [1, 2, 3], "a")
    assert totals(numbers) == (6, 6)


def test_an_insert_of_50000_rows_is_one_block(numbers: Warehouse) -> None:
    insert(numbers, list(range(50_000)), "a")
    ((parts,),) = numbers.query("SELECT uniqExact(_part) FROM numbers")
    ((blocks,),) = numbers.query("SELECT max(_block_number) - min(_block_number) + 1 FROM numbers")
    assert (parts, blocks) == (1, 1)


def test_times_are_milliseconds_in_and_aware_datetimes_out(numbers: Warehouse) -> None:
    numbers.insert("numbers", {"n": [1], "at": [1_709_164_799_999]}, token="a")
    assert numbers.query("SELECT at, toUnixTimestamp64Milli(at) FROM numbers") == [
        (datetime(2024, 2, 28, 23, 59, 59, 999_000, UTC), 1_709_164_799_999)
    ]


def test_no_rows_and_unequal_columns(numbers: Warehouse) -> None:
    numbers.insert("numbers", {"n": [], "at": []}, token="a")
    assert numbers.query("SELECT count() FROM numbers") == [(0,)]
    with pytest.raises(WarehouseError, match="unequal"):
        numbers.insert("numbers", {"n": [1], "at": []}, token="a")


@pytest.mark.parametrize("values", [["x"], [-1], [None], [math.nan]])
def test_a_value_that_does_not_fit_is_refused_and_nothing_is_stored(
    numbers: Warehouse, values: list[object]
) -> None:
    with pytest.raises(WarehouseError):
        numbers.insert("numbers", {"n": [1, *values], "at": [0, 0]}, token="a")
    assert numbers.query("SELECT count() FROM numbers") == [(0,)]


def test_what_the_server_refuses_is_an_error_of_one_line(numbers: Warehouse) -> None:
    refused: list[Callable[[], object]] = [
        lambda: numbers.query("SELEKT"),
        lambda: numbers.query_dicts("SELECT missing FROM numbers"),
        lambda: numbers.command("DROP TABLE missing"),
        lambda: numbers.insert("missing", {"n": [1]}, token="a"),
        lambda: numbers.insert("numbers", {"missing": [1]}, token="a"),
        lambda: list(numbers.stream("SELECT throwIf(number = 100000) FROM numbers(200000)")),
    ]
    for statement in refused:
        with pytest.raises(WarehouseError) as caught:
            statement()
        assert "\n" not in str(caught.value)
    assert numbers.query("SELECT 1") == [(1,)]


@pytest.mark.parametrize("text", ODD_STRINGS)
def test_strings_come_back_as_they_went_in(empty_warehouse: Warehouse, text: str) -> None:
    sql = "SELECT {s:String} AS one, {many:Array(String)} AS many, {maybe:Nullable(String)} AS maybe"
    (row,) = empty_warehouse.query_dicts(sql, {"s": text, "many": [text, "x"], "maybe": text})
    assert (row["one"], list(row["many"]), row["maybe"]) == (text, [text, "x"], text)


def test_stream_gives_blocks_and_may_be_left_early(empty_warehouse: Warehouse) -> None:
    blocks = list(empty_warehouse.stream("SELECT number FROM numbers(300000)"))
    assert len(blocks) > 1
    assert sum(len(block) for block in blocks) == 300_000
    stream = empty_warehouse.stream("SELECT number FROM numbers(10000000)")
    assert next(stream)[0] == (0,)
    assert empty_warehouse.query("SELECT 1") == [(1,)]
    stream.close()  # type: ignore[attr-defined]  # a generator; the Protocol asks for an iterator only
    assert empty_warehouse.query("SELECT 1") == [(1,)]


def test_threads_share_a_warehouse(numbers: Warehouse) -> None:
    numbers.command(VIEW.format("sum(n)"))
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for step in range(10):
                insert(numbers, [1, 1], f"{worker}.{step}")
                assert numbers.query("SELECT {n:UInt8}", {"n": worker}) == [(worker,)]
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert totals(numbers) == (120, 120)


def test_the_probe_accepts_it_and_leaves_nothing_behind(empty_warehouse: Warehouse) -> None:
    verify_deduplication(empty_warehouse)
    assert empty_warehouse.query("SHOW TABLES") == []


def test_the_probe_tells_of_a_warehouse_that_stores_repeats(empty_warehouse: Warehouse) -> None:
    class Forgetful:
        """The warehouse, but each insert has a token of its own: as if the server ignored it."""

        def __init__(self) -> None:
            self._inserts = 0

        def __getattr__(self, name: str) -> object:
            return getattr(empty_warehouse, name)

        def insert(self, table: str, columns: dict[str, list[int]], *, token: str) -> None:
            self._inserts += 1
            empty_warehouse.insert(table, columns, token=f"{token}{self._inserts}")

    with pytest.raises(WarehouseError, match="stored a repeated insert again"):
        verify_deduplication(Forgetful())  # type: ignore[arg-type]  # by __getattr__


def test_a_closed_warehouse_is_unavailable(open_chdb: Callable[[], Warehouse]) -> None:
    warehouse = open_chdb()
    warehouse.close()
    with pytest.raises(WarehouseUnavailableError):
        warehouse.query("SELECT 1")


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
