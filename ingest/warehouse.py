"""The seam to the warehouse: ClickHouse over HTTP, or chDB in this process. The same SQL runs on both."""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Protocol

from ingest.columns import Column

Row = tuple[Any, ...]


class WarehouseUnavailableError(Exception):
    """The warehouse can't be reached or is not ready. Nothing is known of the statement; try again."""


class WarehouseError(Exception):
    """The warehouse refused the statement; trying the same again will not help."""


class Warehouse(Protocol):
    """Owns its connections. Every method blocks (call it in a thread) and may be called from any thread.

    Tables stand in one database, chosen when it was opened; statements name them without it.
    Parameters are bound by the server: `{name:Type}` in the SQL. Times come back as aware datetimes in UTC.

    Compare a DateTime64 column with DateTime64 values only (`fromUnixTimestamp64Milli({ms:Int64}, 'UTC')`):
    against a DateTime the engine skips parts as if the column had no milliseconds, and misses rows.
    """

    def insert(self, table: str, columns: Mapping[str, Column], *, token: str) -> None:
        """Insert columns of equal length as one block under a deduplication token.

        Done once for ever: the same token again adds nothing to the table, and mends views that had missed
        the block. DateTime64(3) columns take Unix milliseconds as int; DateTime columns take seconds.
        """
        ...

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]: ...

    def query_dicts(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        """The rows as dicts by column name."""
        ...

    def stream(self, sql: str, parameters: Mapping[str, object] | None = None) -> Generator[list[Row]]:
        """Blocks of rows in constant memory. Read to the end or close the generator."""
        ...

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """A statement without rows: DDL, DELETE."""
        ...

    def run_job(self, job: str, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """A statement without rows that may take as long as it takes; `job` names it for `cancel_job`."""
        ...

    def cancel_job(self, job: str) -> None:
        """Cancel what runs under this name in this database, whichever program began it.

        Does not wait until it has ended. Whoever waits for it gets a `WarehouseUnavailableError`.
        """
        ...

    def close(self) -> None: ...


def open_warehouse(url: str | None, *, folder: Path, database: str = "smartlinks") -> Warehouse:
    """The warehouse at `url` (`http://`, `https://`), or chDB in `folder` where it is None.

    Makes the database if it is missing. Raises `WarehouseUnavailableError`.
    """
    if url is None:
        from ingest.chdb import ChdbWarehouse

        return ChdbWarehouse(folder, database)
    from ingest.clickhouse import ClickHouseWarehouse

    return ClickHouseWarehouse(url, database)
