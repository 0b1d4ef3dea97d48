"""Tenants and what each asks of us: how long clicks are kept, and how much of a person.

The table `tenants` is the truth; whoever acts on it (api, ingest, aggregator) keeps a copy that is read anew.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import orjson

from ingest.warehouse import Warehouse

DEFAULT_TENANT: Final = "default"

AddressPrivacy = Literal["whole", "truncated", "hashed", "none"]
RecipientPrivacy = Literal["clear", "hmac"]
Role = Literal["admin", "editor", "viewer"]


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Who signs the tokens of a tenant's people: `iss` and `aud` of the tokens, where the public keys are.

    `roles` tells which role each value of the claim `role_claim` stands for.
    """

    issuer: str
    audience: str
    jwks_url: str
    role_claim: str = "roles"
    roles: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TenantDocument:
    """A tenant. `retention_days` None: as `RETENTION_DAYS`. Times are Unix ms; versions grow by one."""

    id: str
    name: str = ""
    active: bool = True
    retention_days: int | None = None
    address_privacy: AddressPrivacy = "whole"
    recipient_privacy: RecipientPrivacy = "clear"
    identity_provider: IdentityProvider | None = None
    created_at_ms: int = 0
    updated_at_ms: int = 0
    version: int = 0

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, document: str | bytes) -> "TenantDocument":
        fields: dict[str, Any] = orjson.loads(document)
        provider = fields.pop("identity_provider", None)
        return cls(**fields, identity_provider=None if provider is None else IdentityProvider(**provider))


def read_tenants(warehouse: Warehouse) -> dict[str, TenantDocument]:
    """Every tenant that was ever saved, by id. Blocks."""
    rows = warehouse.query("SELECT document FROM tenants FINAL")
    return {tenant.id: tenant for tenant in (TenantDocument.from_json(document) for (document,) in rows)}


def save_tenant(warehouse: Warehouse, tenant: TenantDocument) -> None:
    """Store this version. Of several that claim the same version the first counts: read it back. Blocks."""
    warehouse.insert(
        "tenants",
        {"id": [tenant.id], "document": [tenant.to_json().decode()], "version": [tenant.version]},
        token=f"{tenant.id}:{tenant.version}",
    )
