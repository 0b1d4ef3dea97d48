"""Making and changing tenants: the first service key's business alone."""

import asyncio
import dataclasses
from typing import Any

from api.access.key_ring import KeyRing
from api.access.models import NewTenant, TenantFields, TenantPatch
from api.events import Clock
from api.problems import CHANGED_MEANWHILE, TENANT_TAKEN, Flaw, ProblemError, not_found, pointer_to
from ingest.contract import DEFAULT_TENANT, TenantDocument, Warehouse, read_tenants, save_tenant


class Tenants:
    """All tenants. The default one is always there."""

    def __init__(self, warehouse: Warehouse, key_ring: KeyRing, clock: Clock) -> None:
        self._warehouse = warehouse
        self._key_ring = key_ring
        self._clock = clock

    async def list_all(self) -> list[TenantDocument]:
        """By id."""
        tenants = await self._read()
        return sorted(tenants.values(), key=lambda tenant: tenant.id)

    async def read(self, tenant_id: str) -> TenantDocument:
        """Raises a 404."""
        tenant = (await self._read()).get(tenant_id)
        if tenant is None:
            raise not_found("tenant")
        return tenant

    async def make(self, new: NewTenant) -> TenantDocument:
        """Raises a 409 where the id or the issuer and audience are taken."""
        tenants = await self._read()
        if new.id in tenants:
            raise _taken(f"There is a tenant {new.id} already", "id")
        now_ms = self._clock()
        tenant = TenantDocument(
            id=new.id, created_at_ms=now_ms, updated_at_ms=now_ms, version=1, **_changes(new)
        )
        _require_own_provider(tenant, tenants)
        return await self._save(tenant)

    async def change(self, tenant_id: str, patch: TenantPatch) -> tuple[TenantDocument, TenantDocument]:
        """The tenant before and after. Raises a 404, a 409."""
        tenants = await self._read()
        tenant = tenants.get(tenant_id)
        if tenant is None:
            raise not_found("tenant")
        now_ms = max(self._clock(), tenant.updated_at_ms)
        changed = dataclasses.replace(
            tenant,
            **_changes(patch),
            created_at_ms=tenant.created_at_ms or now_ms,
            updated_at_ms=now_ms,
            version=tenant.version + 1,
        )
        _require_own_provider(changed, tenants)
        return tenant, await self._save(changed)

    async def _read(self) -> dict[str, TenantDocument]:
        stored = await asyncio.to_thread(read_tenants, self._warehouse)
        return {DEFAULT_TENANT: TenantDocument(id=DEFAULT_TENANT), **stored}

    async def _save(self, tenant: TenantDocument) -> TenantDocument:
        """Store a version and see that it is the one that counts."""
        await asyncio.to_thread(save_tenant, self._warehouse, tenant)
        stored = (await self._read())[tenant.id]
        self._key_ring.put_tenant(stored)
        if stored != tenant:
            raise ProblemError(
                CHANGED_MEANWHILE, "Somebody else changed this tenant at the same moment; try again."
            )
        return tenant


def _changes(fields: TenantFields) -> dict[str, Any]:
    changes = {name: getattr(fields, name) for name in fields.model_fields_set if name != "id"}
    if "name" in changes:
        changes["name"] = changes["name"] or ""
    provider = changes.get("identity_provider")
    if provider is not None:
        changes["identity_provider"] = provider.document()
    return changes


def _require_own_provider(tenant: TenantDocument, tenants: dict[str, TenantDocument]) -> None:
    """A token must lead to one tenant: issuer and audience together are no other's."""
    provider = tenant.identity_provider
    for other in tenants.values():
        theirs = other.identity_provider
        same = (
            provider and theirs and (provider.issuer, provider.audience) == (theirs.issuer, theirs.audience)
        )
        if same and other.id != tenant.id:
            raise _taken("Another tenant has this issuer and audience", "identity_provider")


def _taken(detail: str, field: str) -> ProblemError:
    return ProblemError(TENANT_TAKEN, f"{detail}.", [Flaw(detail, pointer=pointer_to(field))])
