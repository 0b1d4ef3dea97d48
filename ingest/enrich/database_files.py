"""Files of address databases, opened, and opened again when they change.

- A file that can't be read is passed over with a warning. Where it took the place of one that could, that one
  stays in use, whatever has become of the file.
- A MaxMind file is mapped from a copy of our own: one that is overwritten in place would end the process.
"""

import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import maxminddb

CHECK_INTERVAL_S: Final = 10.0

_log = logging.getLogger(__name__)
Database = TypeVar("Database")
_Stamp = tuple[int, int, int]


class DatabaseFileError(Exception):
    """The file is damaged, or being written; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class MmdbFile:
    """One open MaxMind file. `kind` is what its maker calls it; `ip_version` 4 knows no IPv6 addresses."""

    path: Path
    kind: str
    ip_version: int
    reader: maxminddb.Reader


def open_mmdb(path: Path, *, of_networks: bool) -> MmdbFile | None:
    """A database of networks, or else of places; None where it is the other. Raises `DatabaseFileError`."""
    try:
        with maxminddb.open_database(path, maxminddb.MODE_MMAP_EXT) as original:
            metadata = original.metadata()
        is_of_networks = any(word in metadata.database_type.lower() for word in ("asn", "isp"))
        if is_of_networks != of_networks:
            return None
        with tempfile.NamedTemporaryFile(prefix="smartlinks-", suffix=".mmdb") as copy:
            with path.open("rb") as file:
                shutil.copyfileobj(file, copy, 1 << 20)
            copy.flush()
            reader = maxminddb.open_database(copy.name, maxminddb.MODE_MMAP_EXT)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise DatabaseFileError(str(error)) from error
    return MmdbFile(path, metadata.database_type, metadata.ip_version, reader)


class DatabaseFiles(Generic[Database]):
    """The databases at a path: of one file, or of the files in a folder and below that `pattern` names.

    `open_file` may answer None for a file that is none of its kind. `refresh` looks for changes every 10 s at
    the most.
    """

    def __init__(
        self,
        path: Path | None,
        patterns: tuple[str, ...],
        open_file: Callable[[Path], Database | None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._patterns = patterns
        self._open_file = open_file
        self._clock = clock
        self._checked_s = clock()
        self._stamps: dict[Path, _Stamp] = {}
        self._opened: dict[Path, Database | None] = {}
        self._databases: list[Database] = []
        self._read()

    @property
    def databases(self) -> list[Database]:
        """By the files' names."""
        return self._databases

    def refresh(self) -> bool:
        """Open what changed; whether anything did. Cheap; call it once a batch."""
        now_s = self._clock()
        if now_s - self._checked_s < CHECK_INTERVAL_S:
            return False
        self._checked_s = now_s
        return self._read()

    def drop(self, path: Path) -> None:
        """Use this file no more until it changes."""
        self._opened[path] = None
        self._sort()

    def _read(self) -> bool:
        stamps = self._look()
        if stamps == self._stamps:
            return False
        changed = [path for path, stamp in stamps.items() if self._stamps.get(path) != stamp]
        opened = {path: database for path, database in self._opened.items() if path in stamps}
        for path in changed:
            try:
                opened[path] = self._open_file(path)
            except DatabaseFileError as error:
                kept = opened.setdefault(path, None) is not None
                _log.warning(
                    "address database %s can't be read%s: %s",
                    *(path, ", what it held before stays in use" if kept else "", error),
                )
        self._stamps, self._opened = stamps, opened
        self._sort()
        return True

    def _sort(self) -> None:
        self._databases = [database for _, database in sorted(self._opened.items()) if database is not None]

    def _look(self) -> dict[Path, _Stamp]:
        """Each file's modification time, size and inode."""
        if self._path is None:
            return {}
        try:
            if self._path.is_dir():
                files = [file for pattern in self._patterns for file in self._path.rglob(pattern)]
            else:
                files = [self._path] if any(map(self._path.match, self._patterns)) else []
            statuses = {file: file.stat() for file in files}
        except OSError as error:
            _log.warning("no address database: %s", error)
            return {}
        return {
            file: (status.st_mtime_ns, status.st_size, status.st_ino) for file, status in statuses.items()
        }
