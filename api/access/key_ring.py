"""The keys and tenants that this process knows, read anew every second, so that a request waits for nothing.

Where the warehouse can't be reached, the keys that are known go on; nobody can revoke one meanwhile either.
"""

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from api.access.callers import Caller
from api.access.service_key import ServiceKey, digest_of, read_keys, save_uses
from api.events import Clock
from ingest.contract import (
    DEFAULT_TENANT,
    TenantDocument,
    Warehouse,
    WarehouseUnavailableError,
    read_tenants,
)

REFRESH_S: Final = 1.0
SAVE_USES_S: Final = 10.0
ADMIN_ACTOR: Final = "admin"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One key that opens something: whose it is, from where, and until when (Unix ms)."""

    digest: str
    caller: Caller
    networks: tuple[Network, ...] = ()
    until_ms: int | None = None

    def is_open_to(self, address: str) -> bool:
        """Whether the key may be used from this address; one that nobody knows is in no list."""
        if not self.networks:
            return True
        try:
            client = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(client in network for network in self.networks)


_NOBODYS: Final = KnownKey("0" * 64, Caller("", "key", "", frozenset()))


class KeyRing:
    """Holds digests only. Keys of this process's own making are known at once (`put`)."""

    def __init__(self, warehouse: Warehouse, clock: Clock, *, admin_key: str) -> None:
        self._warehouse = warehouse
        self._clock = clock
        self._admin = KnownKey(
            digest_of(admin_key.encode()),
            Caller(DEFAULT_TENANT, "key", ADMIN_ACTOR, frozenset({"system", "admin"})),
        )
        self._stored: dict[str, ServiceKey] = {}
        self._known: dict[str, KnownKey] = {self._admin.digest: self._admin}
        self._tenants: Mapping[str, TenantDocument] = {}
        self._uses_ms: dict[str, int] = {}
        self._read_at_s = time.monotonic()

    @property
    def age_s(self) -> float:
        """How old what is known is, in seconds."""
        return time.monotonic() - self._read_at_s

    @property
    def tenants(self) -> Mapping[str, TenantDocument]:
        return self._tenants

    def tenant(self, tenant: str) -> TenantDocument:
        """The tenant's document; one that was never saved is as a new one."""
        return self._tenants.get(tenant) or TenantDocument(id=tenant)

    def find(self, key: bytes) -> KnownKey | None:
        """Takes the same steps for a wrong key as for a right one: what is compared are digests."""
        digest = digest_of(key)
        found = self._known.get(digest, _NOBODYS)
        matches = hmac.compare_digest(digest, found.digest)
        is_over = found.until_ms is not None and found.until_ms <= self._clock()
        return (None, found)[matches & (not is_over)]  # no branch: as many steps either way

    def note_use(self, caller: Caller) -> None:
        if caller.actor != ADMIN_ACTOR:
            self._uses_ms[caller.actor] = self._clock()

    def put(self, key: ServiceKey) -> None:
        """Know this version of a key from now on, unless a later one is known."""
        known = self._stored.get(key.id)
        if known is None or key.version > known.version:
            self._stored[key.id] = key
            self._index()

    def put_tenant(self, tenant: TenantDocument) -> None:
        if tenant.version > self.tenant(tenant.id).version:
            self._tenants = {**self._tenants, tenant.id: tenant}

    async def refresh(self) -> None:
        """Read all keys and tenants. Raises `WarehouseUnavailableError`."""
        started_s = time.monotonic()
        keys, tenants = await asyncio.to_thread(self._read)
        changed = [key for key in keys if self._stored.get(key.id) != key]
        for key in changed:
            known = self._stored.get(key.id)
            if known is None or key.version >= known.version:  # it was perhaps changed while we read
                self._stored[key.id] = key
        if changed:
            self._index()
        for tenant in tenants.values():
            self.put_tenant(tenant)
        self._read_at_s = started_s

    async def run(self) -> None:
        """Refresh until cancelled, and store now and then when keys were last used."""
        saved_at_s = time.monotonic()
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await self.refresh()
                if self._uses_ms and time.monotonic() - saved_at_s >= SAVE_USES_S:
                    await self.save_uses()
                    saved_at_s = time.monotonic()
            except WarehouseUnavailableError as error:
                log.warning("service keys are %.0f s old: %s", self.age_s, error)
            except Exception:
                log.exception("service keys could not be read anew")

    async def save_uses(self) -> None:
        """Store when keys were last used; kept for the next time where the warehouse can't be reached."""
        uses_ms, self._uses_ms = self._uses_ms, {}
        if not uses_ms:
            return
        try:
            await asyncio.to_thread(save_uses, self._warehouse, uses_ms)
        except WarehouseUnavailableError:
            self._uses_ms = {**uses_ms, **self._uses_ms}
            raise

    async def close(self) -> None:
        with contextlib.suppress(WarehouseUnavailableError):
            await self.save_uses()

    def _read(self) -> tuple[list[ServiceKey], dict[str, TenantDocument]]:
        return read_keys(self._warehouse), read_tenants(self._warehouse)

    def _index(self) -> None:
        known = {self._admin.digest: self._admin}
        for key in self._stored.values():
            for each in _known_keys(key):
                known.setdefault(each.digest, each)
        self._known = known


def _known_keys(key: ServiceKey) -> list[KnownKey]:
    """What opens by this key: none where it is revoked, two while a rotation overlaps."""
    if key.revoked_at_ms is not None:
        return []
    caller = Caller(key.tenant, "key", key.id, frozenset(key.scopes), key.quota, key.messages_per_s)
    networks = tuple(ipaddress.ip_network(address) for address in key.addresses)
    known = [KnownKey(key.digest, caller, networks, key.expires_at_ms)]
    if key.previous_digest is not None and key.previous_until_ms is not None:
        until_ms = min(key.previous_until_ms, key.expires_at_ms or key.previous_until_ms)
        known.append(KnownKey(key.previous_digest, caller, networks, until_ms))
    return known
