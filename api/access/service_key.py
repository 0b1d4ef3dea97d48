"""A service key as it is stored, and the warehouse's tables of keys and of when each was last used.

A revoked key is stored under a version beyond all others: no change that was under way brings it back.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from api.access.callers import Quota
from api.access.scopes import GrantableScope
from ingest.contract import Warehouse

REVOKED_VERSION: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """All but the key itself. Digests are SHA-256 in hex; `addresses` are CIDRs, none meaning all.

    From a rotation on, the former key works until `previous_until_ms`. Times are Unix ms.
    """

    id: str
    tenant: str
    name: str
    digest: str
    ending: str
    scopes: tuple[GrantableScope, ...]
    addresses: tuple[str, ...]
    quota: Quota | None
    messages_per_s: int | None
    expires_at_ms: int | None
    previous_digest: str | None
    previous_until_ms: int | None
    created_at_ms: int
    updated_at_ms: int
    revoked_at_ms: int | None
    version: int

    def to_json(self) -> str:
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, document: str) -> "ServiceKey":
        fields: dict[str, Any] = orjson.loads(document)
        quota = fields["quota"]
        return cls(
            **{
                **fields,
                "scopes": tuple(fields["scopes"]),
                "addresses": tuple(fields["addresses"]),
                "quota": None if quota is None else Quota(**quota),
            }
        )


def digest_of(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()


def read_keys(warehouse: Warehouse) -> list[ServiceKey]:
    """Every key of every tenant, revoked ones too. Blocks."""
    rows = warehouse.query("SELECT document FROM service_keys FINAL")
    return [ServiceKey.from_json(document) for (document,) in rows]


def read_key(warehouse: Warehouse, key_id: str) -> ServiceKey | None:
    """Blocks."""
    rows = warehouse.query("SELECT document FROM service_keys FINAL WHERE id = {id:String}", {"id": key_id})
    return ServiceKey.from_json(rows[0][0]) if rows else None


def save_key(warehouse: Warehouse, key: ServiceKey) -> None:
    """Store this version. Of several that claim the same version the first counts: read it back. Blocks."""
    warehouse.insert(
        "service_keys",
        {"id": [key.id], "tenant": [key.tenant], "document": [key.to_json()], "version": [key.version]},
        token=f"{key.id}:{key.version}",
    )


def save_uses(warehouse: Warehouse, used_at_ms: Mapping[str, int]) -> None:
    """Store when keys were last used; earlier times than stored ones change nothing. Blocks."""
    warehouse.insert(
        "service_key_uses",
        {"id": list(used_at_ms), "used_at": list(used_at_ms.values())},
        token=secrets.token_hex(16),
    )


def read_uses(warehouse: Warehouse, tenant: str) -> dict[str, int]:
    """When each of the tenant's keys was last used, in Unix ms. Blocks."""
    rows = warehouse.query(
        "SELECT id, toUnixTimestamp64Milli(max(service_key_uses.used_at)) FROM service_key_uses"
        " WHERE id IN (SELECT id FROM service_keys WHERE tenant = {tenant:String}) GROUP BY id",
        {"tenant": tenant},
    )
    return dict(rows)
