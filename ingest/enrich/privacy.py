"""How much of an address is kept, by tenant. The click is located and judged by the whole address before.

| profile | `ip` holds | visitors without a personal code are told apart |
| --- | --- | --- |
| `whole` | the address | for ever |
| `truncated` | its network: `198.51.100.0` of /24, `2001:db8:1::` of /48 | within a day of UTC |
| `hashed` | 16 hex digits, another address the same day has others | within a day of UTC |
| `none` | nothing | within a day of UTC |

The last three hash by a key made of the visitor key and the day's salt. The salt stands in the warehouse,
where all ingest programs find the same, and is dropped once the day after is over; the visitor key never
stands there. So the warehouse alone never tells an address, and after two days nothing does.
"""

import ipaddress
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import numpy as np

from ingest.clicks import Clicks
from ingest.tenants import AddressPrivacy, read_tenants
from ingest.warehouse import Warehouse

DAY_MS: Final = 86_400_000
# Today's and yesterday's: a click may be on its way for some time. One that is later counts as a new visitor.
KEPT_DAYS: Final = 2
SALT_BYTES: Final = 32

_NETWORK_BITS: Final = {4: 24, 6: 48}


@dataclass(frozen=True, slots=True)
class Profiles:
    """The address profile of each tenant that has another than `whole`, and salts of the days it needs."""

    address: Mapping[str, AddressPrivacy] = field(default_factory=dict)
    salts: Mapping[int, bytes] = field(default_factory=dict)

    def of(self, tenant: str) -> AddressPrivacy:
        return self.address.get(tenant, "whole")


ProfilesOf = Callable[[Clicks], Profiles]
"""The profiles for a batch of clicks, with the salt of every day that it touches."""


def keep_whole(_clicks: Clicks) -> Profiles:
    """Where there are no tenants to ask."""
    return Profiles()


def day_of(ts_ms: int) -> int:
    """Days of UTC since 1970."""
    return ts_ms // DAY_MS


def day_key(visitor_key: bytes, salt: bytes) -> bytes:
    return blake2b(salt, key=visitor_key, digest_size=32).digest()


def kept_address(address: str, profile: AddressPrivacy, key: bytes) -> str:
    """What is stored of an address. `key` is the day's; only `hashed` uses it."""
    match profile:
        case "whole":
            return address
        case "truncated":
            return truncate(address)
        case "hashed":
            return blake2b(address.encode(), key=key, digest_size=8, person=b"address").hexdigest()
        case "none":
            return ""


def truncate(address: str) -> str:
    """Its network's own address; "" where it is none."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((int(ip), _NETWORK_BITS[ip.version]), strict=False).network_address)


class WarehouseProfiles:
    """`ProfilesOf`, read from the warehouse for each batch, so that a change counts from the next click on.

    `makes_salts` is for ingest; whoever only looks gets a salt of its own where there is none. Blocks.
    """

    def __init__(
        self, warehouse: Warehouse, *, makes_salts: bool = True, clock: Callable[[], float] = time.time
    ) -> None:
        self._warehouse = warehouse
        self._makes_salts = makes_salts
        self._clock = clock
        self._salts: dict[int, bytes] = {}

    def __call__(self, clicks: Clicks) -> Profiles:
        address = {
            tenant.id: tenant.address_privacy
            for tenant in read_tenants(self._warehouse).values()
            if tenant.address_privacy != "whole"
        }
        days = _days_of(clicks, address) if address else set()
        today = day_of(int(self._clock() * 1000))
        self._salts = {day: salt for day, salt in self._salts.items() if day > today - KEPT_DAYS}
        return Profiles(address, {**self._salts, **self._missing(days - self._salts.keys(), today)})

    def _missing(self, days: Collection[int], today: int) -> dict[int, bytes]:
        """Salts of days that are not known yet. Of a day whose salt was dropped, one that is never stored."""
        salts = {}
        for day in days:
            stored = self._stored(day) if abs(day - today) < KEPT_DAYS else None
            if stored is None:
                salts[day] = secrets.token_bytes(SALT_BYTES)
            else:
                salts[day] = self._salts[day] = stored
        return salts

    def _stored(self, day: int) -> bytes | None:
        """The day's salt, made by whichever program asks first: of inserts with the same token one counts."""
        found = self._read(day)
        if found is None and self._makes_salts:
            salt = secrets.token_hex(SALT_BYTES)
            self._warehouse.insert("address_salts", {"day": [day], "salt": [salt]}, token=f"salt:{day}")
            found = self._read(day)
        return found

    def _read(self, day: int) -> bytes | None:
        rows = self._warehouse.query(
            "SELECT min(salt) FROM address_salts WHERE day = toDate({day:Int32}) HAVING count() > 0",
            {"day": day},
        )
        return bytes.fromhex(rows[0][0]) if rows else None


def _days_of(clicks: Clicks, tenants: Collection[str]) -> set[int]:
    """The days on which these tenants' clicks were made."""
    theirs = [code for code, tenant in enumerate(clicks.tenant.values) if tenant in tenants]
    times_ms = clicks.ts_ms[np.isin(clicks.tenant.codes, theirs)]
    return set(np.unique(times_ms // DAY_MS).tolist())


def drop_salts(warehouse: Warehouse, now_ms: int) -> int:
    """Drop the salts of days that are over for good, as whole parts; how many. Blocks."""
    kept_from = day_of(now_ms) - KEPT_DAYS + 1
    rows = warehouse.query(
        "SELECT DISTINCT toString(day) FROM address_salts WHERE day < toDate({day:Int32})", {"day": kept_from}
    )
    for (day,) in rows:
        warehouse.command(f"ALTER TABLE address_salts DROP PARTITION '{day}'")
    return len(rows)
