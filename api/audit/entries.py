"""An entry of the audit log, and the warehouse's table of them."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from ingest.contract import CursorError, Warehouse

_COLUMNS: Final = (
    "tenant", "id", "actor_kind", "actor", "address", "method", "route", "path", "status", "request_id",
    "change_count", "changes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One request that changed something. `changes` is a JSON list of `Change`; `at_ms` is Unix time."""

    tenant: str
    at_ms: int
    id: str
    actor_kind: str
    actor: str
    address: str
    method: str
    route: str
    path: str
    status: int
    request_id: str
    change_count: int
    changes: str

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries: of a tenant, newest first. Times are Unix ms, `end_ms` not included."""

    tenant: str
    actor: str | None
    start_ms: int | None
    end_ms: int | None
    limit: int
    cursor: str | None


def insert_entries(warehouse: Warehouse, documents: Sequence[Mapping[str, Any]], *, token: str) -> None:
    """Store entries, as `AuditEntry.to_json` wrote them; the same token again adds nothing. Blocks."""
    columns = {name: [document[name] for document in documents] for name in _COLUMNS}
    columns["at"] = [document["at_ms"] for document in documents]
    warehouse.insert("audit_log", columns, token=token)


def read_entries(warehouse: Warehouse, query: AuditQuery) -> tuple[list[AuditEntry], str | None]:
    """A page, and the cursor of the next one. Raises `CursorError`. Blocks."""
    before_ms, before_id = _read_cursor(query.cursor) if query.cursor is not None else (0, "")
    conditions = ["tenant = {tenant:String}"]
    if query.cursor is not None:
        conditions.append(
            "(at, id) < (fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC'), {before_id:String})"
        )
    if query.actor is not None:
        conditions.append("actor = {actor:String}")
    if query.start_ms is not None:
        conditions.append("at >= fromUnixTimestamp64Milli({start_ms:Int64}, 'UTC')")
    if query.end_ms is not None:
        conditions.append("at < fromUnixTimestamp64Milli({end_ms:Int64}, 'UTC')")
    rows = warehouse.query_dicts(
        f"SELECT toUnixTimestamp64Milli(at) AS at_ms, {', '.join(_COLUMNS)} FROM audit_log"  # noqa: S608 - ours
        f" WHERE {' AND '.join(conditions)} ORDER BY at DESC, id DESC LIMIT {{limit:UInt32}}",
        {
            "tenant": query.tenant,
            "actor": query.actor or "",
            "start_ms": query.start_ms or 0,
            "end_ms": query.end_ms or 0,
            "before_ms": before_ms,
            "before_id": before_id,
            "limit": query.limit + 1,
        },
    )
    entries = [AuditEntry(**row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return entries, _cursor(entries[-1]) if more else None


def _cursor(entry: AuditEntry) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([entry.at_ms, entry.id])).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, str]:
    try:
        at_ms, entry_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, orjson.JSONDecodeError, TypeError, ValueError):
        raise CursorError("Not a cursor that was given out here; begin without one") from None
    if not isinstance(at_ms, int) or not isinstance(entry_id, str) or not 0 <= at_ms < 10**13:
        raise CursorError("Not a cursor that was given out here; begin without one")
    return at_ms, entry_id
