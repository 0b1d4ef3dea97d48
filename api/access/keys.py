"""Making, changing, rotating and revoking a tenant's service keys.

A revoked key opens nothing at once here, and within two seconds in every other api process.
"""

import asyncio
import dataclasses
from typing import Any, Final

from api.access.admin_key import new_secret
from api.access.key_ring import KeyRing
from api.access.models import KeyFields, KeyPatch, NewKey, Rotation
from api.access.service_key import (
    REVOKED_VERSION,
    ServiceKey,
    digest_of,
    read_key,
    read_keys,
    read_uses,
    save_key,
)
from api.events import Clock
from api.fields import ms_of
from api.problems import (
    CHANGED_MEANWHILE,
    TOO_MANY_KEYS,
    Flaw,
    ProblemError,
    invalid_body,
    not_found,
    pointer_to,
)
from edge.contract import generate
from ingest.contract import Warehouse

MAX_KEYS: Final = 1000
ENDING_CHARS: Final = 4


class Keys:
    """The keys of all tenants."""

    def __init__(self, warehouse: Warehouse, key_ring: KeyRing, clock: Clock) -> None:
        self._warehouse = warehouse
        self._key_ring = key_ring
        self._clock = clock

    async def list_of(self, tenant: str) -> list[tuple[ServiceKey, int | None]]:
        """The tenant's keys with when each was last used (Unix ms), newest first; revoked ones last."""
        keys, uses_ms = await asyncio.to_thread(
            lambda: (read_keys(self._warehouse), read_uses(self._warehouse, tenant))
        )
        own = [key for key in keys if key.tenant == tenant]
        own.sort(key=lambda key: (key.revoked_at_ms is not None, -key.created_at_ms, key.id))
        return [(key, uses_ms.get(key.id)) for key in own]

    async def read(self, tenant: str, key_id: str) -> tuple[ServiceKey, int | None]:
        """Raises a 404 where the tenant has no such key."""
        key, uses_ms = await asyncio.to_thread(
            lambda: (read_key(self._warehouse, key_id), read_uses(self._warehouse, tenant))
        )
        if key is None or key.tenant != tenant:
            raise not_found("key")
        return key, uses_ms.get(key_id)

    async def make(self, tenant: str, new: NewKey) -> tuple[ServiceKey, str]:
        """The key as it is stored, and the key itself, which nobody can see again. Raises a 409, a 422."""
        self._check(new)
        active = [key for key, _ in await self.list_of(tenant) if key.revoked_at_ms is None]
        if len(active) >= MAX_KEYS:
            raise ProblemError(TOO_MANY_KEYS, f"An account has at most {MAX_KEYS:,} keys; revoke some first.")
        secret, now_ms = new_secret(), self._clock()
        fields = {**_EMPTY, **_changes(new)}
        key = ServiceKey(
            id=f"key_{generate(12)}",
            tenant=tenant,
            digest=digest_of(secret.encode()),
            ending=secret[-ENDING_CHARS:],
            previous_digest=None,
            previous_until_ms=None,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            revoked_at_ms=None,
            version=1,
            **fields,
        )
        return await self._save(key), secret

    async def change(self, tenant: str, key_id: str, patch: KeyPatch) -> tuple[ServiceKey, ServiceKey]:
        """The key before and after. Raises a 404, a 409 where somebody else changed it meanwhile, a 422."""
        self._check(patch)
        key = await self._unrevoked(tenant, key_id)
        return key, await self._save(self._next(key, **_changes(patch)))

    async def rotate(
        self, tenant: str, key_id: str, rotation: Rotation
    ) -> tuple[ServiceKey, ServiceKey, str]:
        """The key before and after, and the new key itself. Raises a 404, a 409."""
        key = await self._unrevoked(tenant, key_id)
        secret = new_secret()
        rotated = self._next(
            key,
            digest=digest_of(secret.encode()),
            ending=secret[-ENDING_CHARS:],
            previous_digest=key.digest,
            previous_until_ms=self._clock() + rotation.overlap_s * 1000,
        )
        return key, await self._save(rotated), secret

    async def revoke(self, tenant: str, key_id: str) -> ServiceKey:
        """The key before. A key that is revoked stays so. Raises a 404."""
        key, _ = await self.read(tenant, key_id)
        if key.revoked_at_ms is None:
            revoked = self._next(key, revoked_at_ms=self._clock())
            await self._save(dataclasses.replace(revoked, version=REVOKED_VERSION))
        return key

    async def _unrevoked(self, tenant: str, key_id: str) -> ServiceKey:
        key, _ = await self.read(tenant, key_id)
        if key.revoked_at_ms is not None:
            raise not_found("key")
        return key

    def _next(self, key: ServiceKey, **changes: Any) -> ServiceKey:
        now_ms = max(self._clock(), key.updated_at_ms)
        return dataclasses.replace(key, **changes, updated_at_ms=now_ms, version=key.version + 1)

    async def _save(self, key: ServiceKey) -> ServiceKey:
        """Store a version and see that it is the one that counts."""

        def save_and_read() -> ServiceKey | None:
            save_key(self._warehouse, key)
            return read_key(self._warehouse, key.id)

        stored = await asyncio.to_thread(save_and_read)
        if stored is not None:
            self._key_ring.put(stored)
        if stored != key and key.version != REVOKED_VERSION:
            raise ProblemError(
                CHANGED_MEANWHILE, "Somebody else changed this key at the same moment; try again."
            )
        return key

    def _check(self, fields: KeyFields) -> None:
        if fields.expires_at is not None and ms_of(fields.expires_at) <= self._clock():
            raise invalid_body(
                Flaw("The time is past; give one to come, or leave it out", pointer_to("expires_at"))
            )


_EMPTY: Final[dict[str, Any]] = {
    "name": "",
    "scopes": ("admin",),
    "addresses": (),
    "quota": None,
    "messages_per_s": None,
    "expires_at_ms": None,
}


def _changes(fields: KeyFields) -> dict[str, Any]:
    """The document's fields that the body speaks of, by JSON Merge Patch: absent ones are not in it."""
    changes: dict[str, Any] = {}
    for name in fields.model_fields_set:
        value = getattr(fields, name)
        match name:
            case "name":
                changes["name"] = value or ""
            case "scopes" | "addresses":
                changes[name] = tuple(dict.fromkeys(value or ()))
            case "rate_limit":
                changes["quota"] = value and value.quota()
            case "messages_per_s":
                changes["messages_per_s"] = value
            case _:
                changes["expires_at_ms"] = None if value is None else ms_of(value)
    return changes
