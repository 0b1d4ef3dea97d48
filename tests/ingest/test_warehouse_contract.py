"""What every warehouse adapter promises, held against each of them."""

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from ingest.contract import Warehouse, WarehouseError, WarehouseUnavailableError
from ingest.deduplication import verify_deduplication

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
        lambda: numbers.insert("numbers", {"missing": [1]}, token="a"),
        lambda: list(numbers.stream("SELECT throwIf(number = 100000) FROM numbers(200000)")),
    ]
    for statement in refused:
        with pytest.raises(WarehouseError) as caught:
            statement()
        assert "\n" not in str(caught.value)
    assert numbers.query("SELECT 1") == [(1,)]


def test_a_table_that_is_not_there_may_come_back(numbers: Warehouse) -> None:
    """It is detached for a moment where a part of it has to be attached again."""
    for statement in (
        lambda: numbers.command("DROP TABLE missing"),
        lambda: numbers.insert("missing", {"n": [1]}, token="a"),
    ):
        with pytest.raises(WarehouseUnavailableError):
            statement()


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
    stream.close()
    assert empty_warehouse.query("SELECT 1") == [(1,)]


async def test_a_stream_may_be_read_by_one_thread_after_another(empty_warehouse: Warehouse) -> None:
    stream = await asyncio.to_thread(empty_warehouse.stream, "SELECT number FROM numbers(300000)")
    blocks = 0
    rows = 0
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        while block := await asyncio.wrap_future((one, other)[blocks % 2].submit(next, stream, None)):
            blocks += 1
            rows += len(block)
            assert empty_warehouse.query("SELECT 1") == [(1,)]
    assert blocks > 1
    assert rows == 300_000


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


def test_a_job_is_cancelled_by_its_name_alone(numbers: Warehouse) -> None:
    endless = (
        "INSERT INTO numbers (n) SELECT sleepEachRow(0.1) + {start:UInt8} FROM system.numbers"
        " SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0"
    )
    under_way = (
        "SELECT groupArray(Settings['log_comment']) FROM system.processes"
        " WHERE current_database = currentDatabase() AND Settings['log_comment'] != ''"
    )

    def wait_for(*jobs: str) -> None:
        while set(numbers.query(under_way)[0][0]) != set(jobs):
            pass

    with ThreadPoolExecutor(2) as threads:
        first, second = [threads.submit(numbers.run_job, job, endless, {"start": 1}) for job in "ab"]
        wait_for("a", "b")
        numbers.cancel_job("a")
        with pytest.raises(WarehouseUnavailableError):
            first.result()
        wait_for("b")
        assert not second.done()
        numbers.cancel_job("b")
        with pytest.raises(WarehouseUnavailableError):
            second.result()
    numbers.cancel_job("a")  # nothing of that name is there


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
