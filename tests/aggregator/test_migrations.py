"""Migrations: applied once, resumable, and held to the rows that ingest writes."""

from dataclasses import replace

import pytest

from aggregator.migrate import Migration, MigrationError, migrate, read_migrations
from ingest.contract import CLICK_COLUMNS, Warehouse, WarehouseError

FIRST = Migration(
    "0001_a", "-- one; two;\nCREATE TABLE IF NOT EXISTS a (n UInt64)\nENGINE = MergeTree ORDER BY n;\n"
)
SECOND = Migration("0002_b", "CREATE TABLE IF NOT EXISTS b AS a;\n\nCREATE TABLE IF NOT EXISTS c AS a;\n")


def tables(warehouse: Warehouse) -> set[str]:
    return {name for (name,) in warehouse.query("SHOW TABLES")}


def test_the_schema_is_applied_once(empty_warehouse: Warehouse) -> None:
    names = [migration.name for migration in read_migrations()]
    assert names == sorted(names)
    assert migrate(empty_warehouse) == names
    before = tables(empty_warehouse)
    assert migrate(empty_warehouse) == []
    assert tables(empty_warehouse) == before


def test_every_statement_may_be_run_twice(empty_warehouse: Warehouse) -> None:
    for migration in read_migrations():
        for statement in migration.statements():
            empty_warehouse.command(statement)
            empty_warehouse.command(statement)


def test_rows_have_the_columns_of_the_table(warehouse: Warehouse) -> None:
    columns = warehouse.query(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'clicks'"
        " ORDER BY position"
    )
    assert tuple(name for (name,) in columns) == CLICK_COLUMNS


def test_a_later_migration_is_added(empty_warehouse: Warehouse) -> None:
    assert migrate(empty_warehouse, [FIRST]) == ["0001_a"]
    assert migrate(empty_warehouse, [FIRST, SECOND]) == ["0002_b"]
    assert tables(empty_warehouse) == {"a", "b", "c", "schema_migrations"}


def test_a_changed_migration_is_refused(empty_warehouse: Warehouse) -> None:
    migrate(empty_warehouse, [FIRST])
    with pytest.raises(MigrationError, match="0001_a was changed"):
        migrate(empty_warehouse, [replace(FIRST, sql=FIRST.sql + "\n"), SECOND])
    assert tables(empty_warehouse) == {"a", "schema_migrations"}


def test_a_warehouse_of_a_newer_version_is_refused(empty_warehouse: Warehouse) -> None:
    migrate(empty_warehouse, [FIRST, SECOND])
    with pytest.raises(MigrationError, match="0002_b, which this version does not know"):
        migrate(empty_warehouse, [FIRST])


def test_a_migration_that_died_half_way_is_run_again(empty_warehouse: Warehouse) -> None:
    broken = replace(SECOND, sql=SECOND.sql + "CREATE TABLE d AS missing;\n")
    with pytest.raises(WarehouseError):
        migrate(empty_warehouse, [FIRST, broken])
    assert tables(empty_warehouse) == {"a", "b", "c", "schema_migrations"}
    assert migrate(empty_warehouse, [FIRST, SECOND]) == ["0002_b"]


def test_statements_end_with_a_line_and_comments_have_their_own() -> None:
    assert list(FIRST.statements()) == [
        "CREATE TABLE IF NOT EXISTS a (n UInt64)\nENGINE = MergeTree ORDER BY n"
    ]
    assert len(list(SECOND.statements())) == 2
