"""The warehouse in this process: chDB, the engine of ClickHouse as a library, on a folder of its own.

The engine lets one process at a time open a folder, and a process open one folder at a time. A handle to it
runs one statement at a time, so inserts have one to themselves, and each query takes an idle one or opens
another; there are never more than there were queries at once.
"""

import fcntl
import logging
import queue
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from ingest.clickhouse_session import ClickHouseSession, first_line
from ingest.columns import Column
from ingest.deduplication_logs import withdraw_lost_inserts
from ingest.warehouse import Row, WarehouseUnavailableError

if TYPE_CHECKING:
    from ingest.warehouse import Warehouse

# The engine takes nine tenths of the machine's memory and 5 GiB a cache unless told otherwise. These are
# ceilings; it begins at 280 MB resident.
ENGINE_OPTIONS: Final = {
    "max_server_memory_usage_to_ram_ratio": 0.5,
    "mark_cache_size": 256 << 20,
    "primary_index_cache_size": 256 << 20,
    "config-file": str(Path(__file__).with_name("chdb_engine.xml")),
}

_log = logging.getLogger(__name__)


class ChdbWarehouse:
    """`Warehouse` on a folder. Raises `WarehouseUnavailableError` where another process has it open."""

    def __init__(self, folder: Path, database: str) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseUnavailableError(f"can't make the warehouse's folder: {error}") from error
        self._folder = folder
        self._database = database
        self._closed = False
        if withdrawn := self._withdraw_lost_inserts():
            _log.warning("%d inserts that died before they were stored may be done again", withdrawn)
        self._inserts = self._open_session()
        self._idle: queue.SimpleQueue[ClickHouseSession] = queue.SimpleQueue()

    def insert(self, table: str, columns: Mapping[str, Column], *, token: str) -> None:
        self._check_open()
        self._inserts.insert(table, columns, token=token)

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        with self._session() as session:
            return session.query(sql, parameters)

    def query_dicts(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        with self._session() as session:
            return session.query_dicts(sql, parameters)

    def stream(self, sql: str, parameters: Mapping[str, object] | None = None) -> Generator[list[Row]]:
        with self._session() as session:
            yield from session.stream(sql, parameters)

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        with self._session() as session:
            session.command(sql, parameters)
        self._inserts.forget_types()

    def run_job(self, job: str, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        with self._session() as session:
            session.run_job(job, sql, parameters)

    def cancel_job(self, job: str) -> None:
        with self._session() as session:
            session.cancel_job(job)

    def close(self) -> None:
        """Close every handle; the engine stops with the last. Queries under way end first."""
        self._closed = True
        self._inserts.close()
        while not self._idle.empty():
            self._idle.get().close()

    @contextmanager
    def _session(self) -> Iterator[ClickHouseSession]:
        self._check_open()
        try:
            session = self._idle.get_nowait()
        except queue.Empty:
            session = self._open_session()
        try:
            yield session
        finally:
            if self._closed:
                session.close()
            else:
                self._idle.put(session)

    def _check_open(self) -> None:
        if self._closed:
            raise WarehouseUnavailableError("the warehouse is closed")

    def _open_session(self) -> ClickHouseSession:
        try:
            client = clickhouse_connect.get_client(
                interface="chdb", path=str(self._folder), tz_mode="aware", chdb_options=ENGINE_OPTIONS
            )
        except ClickHouseError as error:
            raise WarehouseUnavailableError(self._why_not_open(error)) from error
        return ClickHouseSession(client, self._database)

    def _withdraw_lost_inserts(self) -> int:
        """Before the engine starts; 0 where it runs, in this process or another."""
        try:
            with self._stopped_engine():
                return withdraw_lost_inserts(self._folder)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise WarehouseUnavailableError(f"can't mend the warehouse's logs: {error}") from error

    @contextmanager
    def _stopped_engine(self) -> Iterator[None]:
        """Holds it stopped: a running one locks the file `status`. Raises `BlockingIOError` where it runs."""
        path = self._folder / "status"
        if not path.exists():  # it ended in good order, or never ran
            yield
            return
        with path.open("rb") as status:
            fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def _why_not_open(self, error: ClickHouseError) -> str:
        """One line. The engine itself says nothing of use where its folder is taken."""
        try:
            with self._stopped_engine():
                return f"can't open the warehouse in {self._folder}: {first_line(error)}"
        except BlockingIOError:
            first = (self._folder / "status").read_bytes().partition(b"\n")[0]
            holder = first.decode("ascii", "replace").strip().removeprefix("PID: ")
            return (
                f"the warehouse in {self._folder} is open in process {holder}: stop it,"
                " or set another SMARTLINKS_DATA_DIR"
            )


if TYPE_CHECKING:

    def _fits(warehouse: ChdbWarehouse) -> Warehouse:
        return warehouse
