"""The audit log on its way: on this machine's disk before a change is answered, then in the warehouse.

A file holds the entries of about a second, a JSON object a line. It is stored as one insert whose token is
its name, then removed; what a killed process left is stored by the next one. Where the disk takes no entry,
changes are refused until it does, so that nothing is changed unseen.
"""

import asyncio
import fcntl
import logging
import os
import secrets
from pathlib import Path
from typing import Any, Final

import orjson

from api.audit.entries import AuditEntry, insert_entries
from ingest.contract import Warehouse, WarehouseUnavailableError

FLUSH_S: Final = 1.0
_ENDING: Final = ".audit.ndjson"

log = logging.getLogger(__name__)


class AuditLog:
    """Belongs to one event loop. `backlog` is how many entries wait for the warehouse."""

    def __init__(self, folder: Path, warehouse: Warehouse) -> None:
        self._folder = folder
        self._warehouse = warehouse
        self._file: _AuditFile | None = None
        self._waiting: list[Path] = []
        self._flushing = asyncio.Lock()
        self._syncing = asyncio.Lock()
        self.backlog = 0
        self.failures = 0
        self.is_broken = False

    def require_writable(self) -> bool:
        """Whether the disk takes entries; after a failure it is tried anew each time."""
        if self.is_broken:
            try:
                self._open().probe()
            except OSError:
                return False
            self.is_broken = False
            log.warning("the audit log can be written again")
        return True

    async def append(self, entry: AuditEntry) -> None:
        """On the disk when this returns; a failure is counted and logged, for the change is done by now."""
        try:
            file = self._open()
            end = file.write(entry.to_json() + b"\n")
            async with self._syncing:
                if file.synced_bytes < end:  # else somebody else's sync, or the end of the file, had it
                    await asyncio.to_thread(file.sync)
        except OSError as error:
            self.failures += 1
            self.is_broken = True
            problem = f"AUDIT FAILED, changes are refused until it works: {error}: {entry}"
            log.error(problem)  # noqa: TRY400 - no trace needed
        else:
            self.backlog += 1

    async def recover(self) -> None:
        """Take over what processes that are gone left."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._waiting += [path for path in sorted(self._folder.glob(f"*{_ENDING}")) if _is_abandoned(path)]
        for path in self._waiting:
            self.backlog += len(_read(path))

    async def flush(self) -> None:
        """Store all entries there are. Raises `WarehouseUnavailableError`."""
        async with self._flushing:
            file, self._file = self._file, None
            if file is not None:
                async with self._syncing:
                    await asyncio.to_thread(file.close)
                self._waiting.append(file.path)
            while self._waiting:
                path = self._waiting[0]
                documents = await asyncio.to_thread(_read, path)
                if documents:
                    await asyncio.to_thread(insert_entries, self._warehouse, documents, token=path.name)
                path.unlink(missing_ok=True)
                self._waiting.pop(0)
                self.backlog = max(0, self.backlog - len(documents))

    async def run(self) -> None:
        """Flush until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except WarehouseUnavailableError as error:
                log.warning("%d entries of the audit log wait: %s", self.backlog, error)
            except Exception:
                log.exception("the audit log could not be stored; %d entries wait", self.backlog)

    async def close(self) -> None:
        try:
            await self.flush()
        except WarehouseUnavailableError as error:
            log.warning("%d entries of the audit log wait for the next start: %s", self.backlog, error)

    def _open(self) -> "_AuditFile":
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = _AuditFile(self._folder / f"{secrets.token_hex(16)}{_ENDING}")
        return self._file


class _AuditFile:
    """A file that this process writes, and holds locked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.written_bytes = self.synced_bytes = 0

    def write(self, line: bytes) -> int:
        """Where the line ends."""
        if os.write(self._descriptor, line) != len(line):
            os.write(self._descriptor, b"\n")  # ends the torn line, if there is room for that
            raise OSError("the disk took only a part of the entry")
        self.written_bytes += len(line)
        return self.written_bytes

    def probe(self) -> None:
        """Raises `OSError` where an entry would not be taken. Blank lines are passed over."""
        self.write(b" " * 4096 + b"\n")
        self.sync()

    def sync(self) -> None:
        written_bytes = self.written_bytes
        os.fdatasync(self._descriptor)
        self.synced_bytes = written_bytes

    def close(self) -> None:
        try:
            self.sync()
        finally:
            os.close(self._descriptor)


def _is_abandoned(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _read(path: Path) -> list[dict[str, Any]]:
    """The entries of a file; a torn last one was never answered."""
    documents = []
    for line in path.read_bytes().split(b"\n"):
        if line.strip():
            try:
                documents.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                log.error("%s: a torn entry is passed over", path)  # noqa: TRY400 - no trace needed
    return documents
