"""One clickhouse-connect client, be it over HTTP or in-process: what both warehouse adapters are made of."""

import struct
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from clickhouse_connect.datatypes.base import ClickHouseType
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.compression import get_compressor
from clickhouse_connect.driver.exceptions import (
    ClickHouseError,
    DataError,
    NotSupportedError,
    ProgrammingError,
)
from clickhouse_connect.driver.query import QueryResult

from ingest.clickhouse_url import Compression
from ingest.columns import Column
from ingest.native_block import write_block
from ingest.warehouse import Row, WarehouseError, WarehouseUnavailableError

# Always sent: their defaults changed between server versions, and exactly-once rests on them.
INSERT_SETTINGS: Final = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
}

# Error codes of ClickHouse after which the same statement may succeed later.
TRANSIENT_CODES: Final = frozenset(
    {
        60,  # UNKNOWN_TABLE: it is being attached again, or is still to be migrated
        74,  # CANNOT_READ_FROM_FILE_DESCRIPTOR
        75,  # CANNOT_WRITE_TO_FILE_DESCRIPTOR
        159,  # TIMEOUT_EXCEEDED
        173,  # CANNOT_ALLOCATE_MEMORY
        198,  # DNS_ERROR
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        439,  # CANNOT_SCHEDULE_TASK
        473,  # DEADLOCK_AVOIDED
        999,  # KEEPER_EXCEPTION
    }
)

_CLIENT_REFUSALS: Final = (ProgrammingError, DataError, NotSupportedError)

# What the client raises for a value that does not fit its column, while it builds the block.
_UNFIT_VALUE = (TypeError, ValueError, OverflowError, AttributeError, struct.error)


@contextmanager
def mapped_errors() -> Iterator[None]:
    """The one place where the client's errors become ours: unavailable, or refused."""
    try:
        yield
    except ClickHouseError as error:
        code: int | None = getattr(error, "code", None)
        # Without a code it was not the engine that spoke: the client, or a network or proxy in between.
        transient = not isinstance(error, _CLIENT_REFUSALS) if code is None else code in TRANSIENT_CODES
        raise (WarehouseUnavailableError if transient else WarehouseError)(first_line(error)) from error


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


class ClickHouseSession:
    """Statements on one client. Safe to share between threads as far as the client is.

    Times come back as aware datetimes in UTC. Errors are the seam's own.
    """

    def __init__(
        self,
        client: Client,
        database: str,
        *,
        cluster: str | None = None,
        compression: Compression = "none",
    ) -> None:
        self._client = client
        self._compression = None if compression == "none" else compression
        self._types: dict[str, dict[str, ClickHouseType]] = {}
        where = "" if cluster is None else f" ON CLUSTER `{cluster}`"
        with mapped_errors():
            client.command(f"CREATE DATABASE IF NOT EXISTS `{database}`{where}")
        client.database = database

    def insert(self, table: str, columns: Mapping[str, Column], *, token: str) -> None:
        """See `Warehouse.insert`. One call is one block, whatever its size."""
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise WarehouseError(f"columns for {table} have unequal lengths {sorted(lengths)}")
        (rows,) = lengths
        if rows == 0:
            return
        with mapped_errors():
            types = self._column_types(table, columns)
            try:
                block = write_block(columns, types, rows)
            except _UNFIT_VALUE as error:
                raise WarehouseError(f"a value does not fit its column in {table}: {error}") from error
            self._client.raw_insert(
                f"`{table}`",
                list(columns),
                bytes(get_compressor(self._compression).compress_block(block)),
                settings={**INSERT_SETTINGS, "insert_deduplication_token": token},
                fmt="Native",
                compression=self._compression,
            )

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        with mapped_errors():
            return list(map(tuple, self._ask(sql, parameters).result_rows))

    def query_dicts(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        with mapped_errors():
            return list(self._ask(sql, parameters).named_results())

    def stream(self, sql: str, parameters: Mapping[str, object] | None = None) -> Generator[list[Row]]:
        with (
            mapped_errors(),
            self._client.query_row_block_stream(sql, parameters=_as_dict(parameters)) as blocks,
        ):
            for block in blocks:
                yield list(block)

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        with mapped_errors():
            self._client.command(sql, parameters=_as_dict(parameters))
        self.forget_types()  # it may have changed a table

    def run_job(self, job: str, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        run_job(self._client, job, sql, parameters)

    def cancel_job(self, job: str) -> None:
        # On the server that the URL names, for a user's own statements: that takes no grant.
        with mapped_errors():
            self._client.command(
                "KILL QUERY WHERE current_database = currentDatabase()"
                " AND Settings['log_comment'] = {job:String} ASYNC",
                parameters={"job": job},
            )

    def forget_types(self) -> None:
        """Read the tables' column types again before the next insert."""
        self._types.clear()

    def close(self) -> None:
        self._client.close()

    def _ask(self, sql: str, parameters: Mapping[str, object] | None) -> QueryResult:
        """Ask for all of an answer. Raises `WarehouseUnavailableError` where only a part of it came.

        A server buffers it in a file, and sends what it could write as if that were all: nothing, where its
        disk is full. But the summary tells of rows.
        """
        result = self._client.query(sql, parameters=_as_dict(parameters))
        rows = len(result.result_rows)
        told = int(result.summary.get("result_rows", rows))
        if told != rows:
            raise WarehouseUnavailableError(
                f"{rows} of {told} rows of an answer came: is the server's disk full?"
            )
        return result

    def _column_types(self, table: str, columns: Mapping[str, object]) -> list[ClickHouseType]:
        if table not in self._types:
            described = self._ask(f"DESCRIBE TABLE `{table}`", None).result_rows
            self._types[table] = {row[0]: get_from_name(row[1]) for row in described}
        types = self._types[table]
        if unknown := [name for name in columns if name not in types]:
            raise WarehouseError(f"table {table} has no column {', '.join(unknown)}")
        return [types[name] for name in columns]


def run_job(client: Client, job: str, sql: str, parameters: Mapping[str, object] | None) -> None:
    """See `Warehouse.run_job`. The engine knows a job by its comment, also when its program is gone."""
    with mapped_errors():
        client.command(sql, parameters=_as_dict(parameters), settings={"log_comment": job})


def _as_dict(parameters: Mapping[str, object] | None) -> dict[str, object]:
    return dict(parameters or {})
