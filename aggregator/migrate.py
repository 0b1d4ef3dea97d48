"""Brings the warehouse's schema up to date by the SQL files in `migrations/`, in order of their names.

A file that was applied is never changed again; what comes later is a new file. Each statement may be run
twice (`IF NOT EXISTS`), so that a migration which died half-way is simply run again from its start.
"""

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ingest.contract import Warehouse

FOLDER: Final = Path(__file__).parent / "migrations"

_COMMENT_LINE = re.compile(r"^\s*--.*\n?", re.MULTILINE)
_STATEMENT_END = re.compile(r";\s*$", re.MULTILINE)


class MigrationError(Exception):
    """The schema and the files disagree; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file: `name` without its ending, and its text."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def statements(self) -> Iterator[str]:
        """Each ends with a semicolon at the end of a line; comments have lines of their own."""
        for statement in _STATEMENT_END.split(_COMMENT_LINE.sub("", self.sql)):
            if statement.strip():
                yield statement.strip()


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    return [Migration(path.stem, path.read_text("utf-8")) for path in sorted(folder.glob("*.sql"))]


def migrate(warehouse: Warehouse, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is missing; the names of what was applied. Raises `MigrationError`."""
    wanted = read_migrations() if migrations is None else migrations
    warehouse.command(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (name String, checksum String, applied_at DateTime64(3, 'UTC'))"
        " ENGINE = ReplacingMergeTree ORDER BY name"
        " SETTINGS non_replicated_deduplication_window = 1000"
    )
    rows = warehouse.query("SELECT name, checksum FROM schema_migrations FINAL ORDER BY name")
    applied = {str(name): str(checksum) for name, checksum in rows}
    _check(wanted, applied)
    missing = [migration for migration in wanted if migration.name not in applied]
    for migration in missing:
        for statement in migration.statements():
            warehouse.command(statement)
        warehouse.insert(
            "schema_migrations",
            {
                "name": [migration.name],
                "checksum": [migration.checksum],
                "applied_at": [time.time_ns() // 1_000_000],
            },
            token=f"{migration.name}:{migration.checksum}",
        )
    return [migration.name for migration in missing]


def _check(wanted: Sequence[Migration], applied: dict[str, str]) -> None:
    known = {migration.name: migration.checksum for migration in wanted}
    for name, checksum in applied.items():
        if name not in known:
            raise MigrationError(
                f"the warehouse has migration {name}, which this version does not know: run a newer version"
            )
        if known[name] != checksum:
            raise MigrationError(
                f"migration {name} was changed after it was applied:"
                " restore the file and put the change into a new one"
            )
