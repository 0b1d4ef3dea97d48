"""What was asked to be judged again, how far it is and what came of it: a document each in the warehouse."""

import secrets
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import orjson

from ingest.contract import Warehouse

# Beyond these the difference is told of the largest only, and `changed` still counts all.
MAX_CHANGES: Final = 1000

State = Literal["waiting", "judging", "changing", "done", "failed"]
UNFINISHED: Final[tuple[State, ...]] = ("waiting", "judging", "changing")


@dataclass(frozen=True, slots=True)
class Change:
    """How many clicks went from one judgement to another."""

    verdict_before: str
    rule_before: str
    verdict: str
    rule: str
    clicks: int


@dataclass(frozen=True, slots=True)
class Reclassification:
    """Clicks of `[since_ms, until_ms)` (Unix ms), of one tenant or (None) of all.

    `months_done` of `months` are finished; `judged` clicks were looked at, `changed` of them are judged
    otherwise now; `changes` tells how, the largest first. `error` says why it failed.
    """

    id: str
    tenant: str | None
    since_ms: int
    until_ms: int
    dry_run: bool
    requested_at_ms: int
    state: State = "waiting"
    months: int = 0
    months_done: int = 0
    judged: int = 0
    changed: int = 0
    changes: tuple[Change, ...] = ()
    rules_version: int = 0
    finished_at_ms: int | None = None
    error: str | None = None
    version: int = 1

    @classmethod
    def from_json(cls, document: str) -> "Reclassification":
        fields: dict[str, Any] = orjson.loads(document)
        changes = tuple(Change(**change) for change in fields.pop("changes"))
        return cls(**fields, changes=changes)


def request_reclassification(
    warehouse: Warehouse, *, tenant: str | None, since_ms: int, until_ms: int, dry_run: bool, now_ms: int
) -> Reclassification:
    """Ask for one; the aggregator begins within seconds. Blocks."""
    asked = Reclassification(
        id=f"rec_{secrets.token_hex(8)}",
        tenant=tenant,
        since_ms=since_ms,
        until_ms=until_ms,
        dry_run=dry_run,
        requested_at_ms=now_ms,
    )
    _store(warehouse, asked)
    return asked


def read_reclassification(warehouse: Warehouse, request_id: str) -> Reclassification | None:
    rows = warehouse.query(
        "SELECT document FROM reclassifications FINAL WHERE id = {id:String}", {"id": request_id}
    )
    return Reclassification.from_json(rows[0][0]) if rows else None


def list_reclassifications(warehouse: Warehouse) -> list[Reclassification]:
    """All that were ever asked for, the oldest first."""
    rows = warehouse.query("SELECT document FROM reclassifications FINAL")
    documents = [Reclassification.from_json(document) for (document,) in rows]
    return sorted(documents, key=lambda document: (document.requested_at_ms, document.id))


def save_progress(warehouse: Warehouse, before: Reclassification, **fields: Any) -> Reclassification:
    """The next version, stored."""
    after = replace(before, version=before.version + 1, **fields)
    _store(warehouse, after)
    return after


def _store(warehouse: Warehouse, document: Reclassification) -> None:
    warehouse.insert(
        "reclassifications",
        {
            "id": [document.id],
            "document": [orjson.dumps(asdict(document)).decode()],
            "version": [document.version],
        },
        token=f"{document.id}:{document.version}",
    )
