"""Blocks of our own writer: byte by byte the client's, and in the warehouse what was put in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.insert import InsertContext
from clickhouse_connect.driver.transform import NativeTransform
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.columns import CodedColumn, Column, count_of, grouped, row_of
from ingest.contract import Warehouse, WarehouseError
from ingest.native_block import write_block

texts = st.text(max_size=20) | st.text("ab", min_size=120, max_size=140) | st.just("é" * 70)


def client_s_block(columns: dict[str, Sequence[Any]], types: list[str]) -> bytes:
    rows = len(next(iter(columns.values())))
    context = InsertContext(
        "t",
        list(columns),
        [get_from_name(name) for name in types],
        list(columns.values()),
        column_oriented=True,
        block_size=rows,
    )
    context.compression = False
    statement, _, block = b"".join(NativeTransform.build_insert(context)).partition(b"\n")
    assert statement.startswith(b"INSERT INTO")
    return block


def our_block(columns: dict[str, Column], types: list[str]) -> bytes:
    rows = len(next(iter(columns.values())))
    return write_block(columns, [get_from_name(name) for name in types], rows)


@settings(deadline=None)  # the first time something is loaded
@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=300))
def test_texts_have_the_client_s_bytes(rows: list[tuple[str, str, str]]) -> None:
    plain = dict(zip("abc", map(list, zip(*rows, strict=True)), strict=True))
    types = ["LowCardinality(String)", "String", "String"]
    coded: dict[str, Column] = {
        "a": CodedColumn.of(plain["a"]),
        "b": CodedColumn.of(plain["b"]),
        "c": plain["c"],
    }
    assert our_block(coded, types) == client_s_block(plain, types)


@pytest.mark.parametrize("count", [1, 127, 128, 255, 256, 257, 20_000, 65_535, 65_536, 65_537])
def test_columns_of_many_values_have_the_client_s_bytes(count: int) -> None:
    plain = [f"value {number}" for number in range(count)] * 2
    types = ["LowCardinality(String)"]
    assert our_block({"a": CodedColumn.of(plain)}, types) == client_s_block({"a": plain}, types)


@pytest.mark.parametrize(
    ("kind", "dtype", "values"),
    [
        ("UInt64", np.uint64, [0, 1, 2**64 - 1]),
        ("UInt32", np.uint32, [0, 1, 2**32 - 1]),
        ("UInt16", np.uint16, [0, 1, 2**16 - 1]),
        ("UInt8", np.uint8, [0, 1, 255]),
        ("Bool", np.bool_, [True, False]),
        ("Float32", np.float32, [0.0, -1.5, 51.5]),
        ("DateTime64(3, 'UTC')", np.int64, [0, 1_790_000_000_000]),
        ("UInt64", np.int64, [0, 7]),  # of another type: by the client
        ("Int32", np.int32, [-7, 7]),
        ("String", np.object_, [b"\xff", b""]),
    ],
)
def test_numbers_have_the_client_s_bytes(kind: str, dtype: type, values: list[Any]) -> None:
    assert our_block({"a": np.array(values, dtype)}, [kind]) == client_s_block({"a": values}, [kind])
    assert our_block({"a": values}, [kind]) == client_s_block({"a": values}, [kind])


@given(st.lists(st.sampled_from([("a", 1), ("a", 2), ("b", 1)]), min_size=1))
def test_a_column_of_codes_is_its_rows(rows: list[tuple[str, int]]) -> None:
    column = CodedColumn.of(rows)
    assert (list(column), len(column), column[-1]) == (rows, len(rows), rows[-1])
    assert sorted(column.values) == sorted(set(rows))
    assert list(column[1:]) == rows[1:]
    first = CodedColumn([value for value, _ in column.values], column.codes)
    assert list(first.distinct()) == [value for value, _ in rows]
    assert len(set(first.distinct().values)) == len(first.distinct().values)
    assert count_of(first, "a") == [value for value, _ in rows].count("a")
    assert list(grouped(rows)) == rows


def test_a_row_has_python_s_numbers() -> None:
    row = row_of({"a": np.array([1, 2], np.uint64), "b": CodedColumn.of(["x", "y"]), "c": [None, 3]}, 1)
    assert row == {"a": 2, "b": "y", "c": 3}
    assert type(row["a"]) is int


def test_the_warehouse_reads_them(warehouse: Warehouse) -> None:
    warehouse.command(
        "CREATE TABLE blocks (a LowCardinality(String), b String, c UInt64, d Bool, e DateTime64(3, 'UTC'),"
        " f Array(UInt8)) ENGINE = MergeTree ORDER BY c SETTINGS non_replicated_deduplication_window = 100"
    )
    texts = ["x", "é" * 200, "", "x"]
    columns: dict[str, Column] = {
        "a": CodedColumn.of(texts),
        "b": CodedColumn.of(texts),
        "c": np.arange(4, dtype=np.uint64),
        "d": np.array([True, False, True, False]),
        "e": np.full(4, 1_790_000_000_000, np.int64),
        "f": [[1], [], [2, 3], []],
    }
    warehouse.insert("blocks", columns, token="once")
    warehouse.insert("blocks", columns, token="once")
    rows = warehouse.query("SELECT a, b, c, d, toUnixTimestamp64Milli(e), f FROM blocks ORDER BY c")
    assert [tuple(row) for row in rows] == [
        (text, text, at, at % 2 == 0, 1_790_000_000_000, columns["f"][at]) for at, text in enumerate(texts)
    ]
    with pytest.raises(WarehouseError, match="does not fit its column in blocks"):
        warehouse.insert("blocks", {**columns, "b": ["x", 1, "y", "z"]}, token="bad")
