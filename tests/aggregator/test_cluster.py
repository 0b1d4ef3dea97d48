"""The same SQL on a cluster: what the dialect makes of it, and two real nodes that count exactly."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aggregator.contract import migrate, read_ledger
from aggregator.erasure import purge_deleted_rows, sweep_recipients
from aggregator.migrate import read_migrations
from aggregator.retention import Cutoff, expire_clicks
from ingest.clickhouse_cluster import ClusterDialect
from ingest.contract import Catalogue, RecipientErased, verify_deduplication
from tests.api.link_events import link_document
from tests.clickhouse.nodes import CLUSTER, ClusterOfNodes, two_shards
from tests.fixtures.clicks import insert_clicks

NO_SPOOL = Path("/nonexistent")
TS_MS = 1_750_000_000_000
C = f"ON CLUSTER `{CLUSTER}`"
DIALECT = ClusterDialect(CLUSTER)


@pytest.mark.parametrize(
    ("sql", "rendered"),
    [
        (
            (
                "CREATE TABLE IF NOT EXISTS t\n(\n    a String,\n    n UInt64 CODEC(ZSTD)\n)\n"
                "ENGINE = ReplacingMergeTree(version)\nORDER BY (a, n)\n"
                "SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1"
            ),
            [
                (
                    f"CREATE TABLE IF NOT EXISTS t_local {C}\n(\n    a String,\n    n UInt64 CODEC(ZSTD)\n)\n"
                    "ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}',"
                    " '{replica}', version)\nORDER BY (a, n)\n"
                    "SETTINGS replicated_deduplication_window = 10000, fsync_after_insert = 1"
                ),
                (
                    f"CREATE TABLE IF NOT EXISTS t {C} AS t_local\n"
                    f"ENGINE = Distributed('{CLUSTER}', currentDatabase(), 't_local', cityHash64(a, n))"
                ),
            ],
        ),
        (
            "CREATE TABLE clicks (n UInt64) ENGINE = MergeTree ORDER BY n",
            [
                (
                    f"CREATE TABLE clicks_local {C}\n(n UInt64)\nENGINE = ReplicatedMergeTree("
                    "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}') ORDER BY n"
                ),
                (
                    f"CREATE TABLE clicks {C} AS clicks_local\n"
                    f"ENGINE = Distributed('{CLUSTER}', currentDatabase(), 'clicks_local', source)"
                ),
            ],
        ),
        (
            "CREATE MATERIALIZED VIEW v TO t AS\nSELECT a\nFROM clicks\nGROUP BY a",
            [f"CREATE MATERIALIZED VIEW v {C} TO t_local AS\nSELECT a\nFROM clicks_local\nGROUP BY a"],
        ),
        (
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS c String",
            [
                f"ALTER TABLE t_local {C} ADD COLUMN IF NOT EXISTS c String",
                f"ALTER TABLE t {C} ADD COLUMN IF NOT EXISTS c String",
            ],
        ),
        (
            "ALTER TABLE t MODIFY SETTING non_replicated_deduplication_window = 9",
            [f"ALTER TABLE t_local {C} MODIFY SETTING replicated_deduplication_window = 9"],
        ),
        ("ALTER TABLE `t_local` APPLY DELETED MASK", [f"ALTER TABLE t_local {C} APPLY DELETED MASK"]),
        (
            "ALTER TABLE t REPLACE PARTITION 202506 FROM t_new",
            [f"ALTER TABLE t_local {C} REPLACE PARTITION 202506 FROM t_new_local"],
        ),
        (
            "DELETE FROM t WHERE n IN (SELECT n FROM u)",
            [f"DELETE FROM t_local {C} WHERE n IN (SELECT n FROM u)"],
        ),
        (
            "DROP TABLE IF EXISTS t SYNC",
            [f"DROP TABLE IF EXISTS t {C} SYNC", f"DROP TABLE IF EXISTS t_local {C} SYNC"],
        ),
        ("INSERT INTO t SELECT n FROM u", ["INSERT INTO t SELECT n FROM u"]),
        ("SELECT 1", ["SELECT 1"]),
    ],
)
def test_a_statement_for_one_becomes_statements_for_many(sql: str, rendered: list[str]) -> None:
    assert DIALECT.render(sql) == rendered


def test_every_migration_reaches_all_nodes_and_replicates_every_table() -> None:
    statements = [
        rendered
        for migration in read_migrations()
        for statement in migration.statements()
        for rendered in DIALECT.render(statement)
        if not statement.startswith(("INSERT", "SELECT"))
    ]
    assert statements
    for statement in statements:
        assert C in statement
        assert "non_replicated" not in statement
        assert "MergeTree" not in statement.replace("MergeTree('/clickhouse", "") or "Replicated" in statement


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Any]:
    with two_shards(tmp_path) as urls:
        warehouse = ClusterOfNodes(urls, "smartlinks")
        yield warehouse
        for node in warehouse.nodes:
            node.close()


def assert_balanced(cluster: Any, *, rows: int, removed: int) -> None:
    ledger = read_ledger(cluster, NO_SPOOL)
    assert (ledger.rows, ledger.erased + ledger.expired) == (rows, removed)
    assert ledger.is_balanced, ledger.differences


def test_two_nodes_count_exactly_through_repeats_erasure_and_retention(cluster: Any) -> None:
    verify_deduplication(cluster)
    assert migrate(cluster)
    assert migrate(cluster) == []
    batch = [
        {"tenant": "default", "code": f"c{n % 10}", "source": n % 5 + 1, "seq": n // 5 + 1, "ts": TS_MS}
        for n in range(1000)
    ]
    for _ in range(2):
        insert_clicks(cluster, batch, "a")
    shards = [node.query("SELECT count() FROM clicks_local")[0][0] for node in cluster.nodes]
    assert sum(shards) == 1000
    assert min(shards) > 0
    assert_balanced(cluster, rows=1000, removed=0)

    catalogue = Catalogue(cluster)
    catalogue.save_link(link_document(1), token="l")
    catalogue.add_codes("default", 1, [("c1", "A", ""), ("c2", "B", "")], 1, token="c")
    erased = RecipientErased("e", TS_MS, "default", ("A",))
    assert [code for _, code in catalogue.name_codes_of(erased)] == ["c1"]
    catalogue.erase_recipient(erased)
    insert_clicks(cluster, batch, "a")
    assert_balanced(cluster, rows=900, removed=100)
    assert cluster.query("SELECT recipient FROM codes") == [("B",)]

    codes = [(f"d{n}", f"{n}", "") for n in range(100)]
    catalogue.void_codes(TS_MS, token="d")
    catalogue.add_codes("default", 1, codes, TS_MS, token="d")
    assert list(catalogue.all_codes()) == [(1, ["c2"])], "on each shard the token is used up"
    assert sweep_recipients(cluster, datetime.fromtimestamp(TS_MS / 1000, UTC)) == 0
    assert "clicks_local" in purge_deleted_rows(cluster)

    assert expire_clicks(cluster, [Cutoff(TS_MS + 1, (), others=True)]) == 900
    assert_balanced(cluster, rows=0, removed=1000)
