"""What the URL of a ClickHouse says, and that inserts travel as it says."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from ingest.clickhouse_url import ClickHouseUrl, Compression
from ingest.columns import CodedColumn, Column
from ingest.contract import WarehouseError, open_warehouse
from tests.ingest.cutting_proxy import cutting_proxy

ROWS = 5_000


@pytest.mark.parametrize(
    ("url", "dsn", "cluster"),
    [
        ("http://u:p@host:8123", "http://u:p@host:8123", None),
        ("https://host:8443/?cluster=main", "https://host:8443/", "main"),
        ("http://host:8123?a=1&cluster=main", "http://host:8123?a=1", "main"),
        ("http://host:8123?cluster=", "http://host:8123", None),
        ("http://host:8123?compress=none&cluster=main&a=1", "http://host:8123?a=1", "main"),
    ],
)
def test_it_names_the_cluster(url: str, dsn: str, cluster: str | None) -> None:
    parsed = ClickHouseUrl.parse(url)
    assert (parsed.dsn, parsed.cluster) == (dsn, cluster)


@pytest.mark.parametrize(
    ("url", "compression"),
    [
        ("http://127.0.0.1:8123", "none"),
        ("http://127.8.8.8:8123", "none"),
        ("http://[::1]:8123", "none"),
        ("http://localhost:8123", "none"),
        ("http://warehouse.localhost:8123", "none"),
        ("http://localhost:8123?compress=lz4", "lz4"),
        ("http://10.0.0.7:8123", "lz4"),
        ("https://warehouse.example.com:8443/?cluster=main", "lz4"),
        ("http://localhost.example.com:8123", "lz4"),
        ("https://warehouse.example.com:8443/?compress=none", "none"),
    ],
)
def test_inserts_are_compressed_on_a_network(url: str, compression: Compression) -> None:
    assert ClickHouseUrl.parse(url).compression == compression


def test_a_compression_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="compress=gzip: it may be lz4 or none"):
        open_warehouse("http://127.0.0.1:1?compress=gzip", folder=tmp_path)


async def test_a_server_takes_them_either_way(clickhouse_url: str, tmp_path: Path) -> None:
    texts = [f"value {number % 50}" for number in range(ROWS)]
    columns: dict[str, Column] = {
        "n": np.arange(ROWS, dtype=np.uint64),
        "plain": texts,
        "coded": CodedColumn.of(texts),
    }
    table = (
        "CREATE TABLE compressed (n UInt64, plain String, coded LowCardinality(String))"
        " ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100"
    )

    def insert(url: str, database: str) -> list[tuple[object, ...]]:
        warehouse = open_warehouse(url, folder=tmp_path, database=database)
        try:
            warehouse.command(table)
            for _ in range(2):
                warehouse.insert("compressed", columns, token="once")
            return warehouse.query("SELECT * FROM compressed ORDER BY n")
        finally:
            warehouse.command(f"DROP DATABASE `{database}` SYNC")
            warehouse.close()

    sent_bytes = {}
    for compression in ("none", "lz4"):
        async with cutting_proxy(clickhouse_url, "compressed", 0) as (url, proxy):
            rows = await asyncio.to_thread(insert, f"{url}?compress={compression}", f"compress_{compression}")
        assert rows == [(number, text, text) for number, text in enumerate(texts)]
        sent_bytes[compression] = proxy.request_bytes
    assert sent_bytes["lz4"] < sent_bytes["none"] / 2
