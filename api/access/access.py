"""All that the API asks of who may do what, put together once."""

import ssl
from typing import Self

from api.access.authentication import TokenVerifier
from api.access.key_ring import KeyRing
from api.access.key_sets import KeySets
from api.access.keys import Keys
from api.access.rate_limits import RateLimits
from api.access.tenants import Tenants
from api.access.tokens import Tokens
from api.conventions.shared_state import SharedState
from api.events import Clock
from edge.contract import AddressRange, Settings, to_ranges
from ingest.contract import Warehouse


class Access:
    """Opened before the app is built, closed after it is stopped. Owns neither settings nor warehouse."""

    def __init__(
        self,
        settings: Settings,
        warehouse: Warehouse,
        shared_state: SharedState,
        clock: Clock,
        *,
        admin_key: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls`: whom to trust when key sets are fetched; None trusts what the system trusts."""
        self.trusted_proxies: tuple[AddressRange, ...] = to_ranges(settings.trusted_proxies)
        self.key_ring = KeyRing(warehouse, clock, admin_key=admin_key)
        self.keys = Keys(warehouse, self.key_ring, clock)
        self.tenants = Tenants(warehouse, self.key_ring, clock)
        self.rate_limits = RateLimits(shared_state)
        self._key_sets = KeySets(settings.outbound_networks, tls=tls)
        self.tokens: TokenVerifier = Tokens(self.key_ring, self._key_sets)

    async def open(self) -> Self:
        """Read keys and tenants a first time. Raises `WarehouseUnavailableError`."""
        await self.key_ring.refresh()
        return self

    async def run(self) -> None:
        """Keep it up to date until cancelled."""
        await self.key_ring.run()

    async def close(self) -> None:
        await self.key_ring.close()
        await self._key_sets.close()
