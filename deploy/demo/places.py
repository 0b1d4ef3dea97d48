"""Addresses from all over the city database, each with the country that the database gives it."""

import ipaddress
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import maxminddb

_MAX_STEPS: Final = 300
_IPV6_SHARE: Final = 0.3
_HOUR_DEGREES: Final = 15.0


@dataclass(frozen=True, slots=True)
class Place:
    """`zone_hours` is about how far the sun is ahead of UTC there."""

    address: str
    country: str
    zone_hours: float


@dataclass(frozen=True, slots=True)
class _Space:
    """The part of an address family that is handed out to networks; larger prefixes there are fillings."""

    bits: int
    first: int
    end: int
    shortest_prefix: int


_IPV4: Final = _Space(32, 1 << 24, 224 << 24, 8)
_IPV6: Final = _Space(128, 0x2001_0200 << 96, 0x2C10 << 112, 24)


class Places:
    """Draws from a folder of databases with flat records (DB-IP), one for each address family."""

    def __init__(self, folder: Path) -> None:
        self._readers = {
            reader.metadata().ip_version: reader
            for reader in map(maxminddb.open_database, sorted(folder.glob("*.mmdb")))
        }

    def draw(self, chance: random.Random) -> Place:
        """A random address some networks further on from a random one.

        The steps lead out of the few huge networks, where nearly every random address lies, into where the
        many small ones are.
        """
        space = _IPV6 if chance.random() < _IPV6_SHARE else _IPV4
        reader = self._readers[6 if space is _IPV6 else 4]
        while True:
            at = chance.randrange(space.first, space.end)
            for steps_left in reversed(range(chance.randrange(_MAX_STEPS) + 1)):
                address = _address(at, space)
                record, prefix = reader.get_with_prefix_len(address)
                size = 1 << (space.bits - prefix)
                start = at - at % size
                if steps_left == 0 and prefix >= space.shortest_prefix and isinstance(record, dict):
                    place = _place(_address(start + chance.randrange(size), space), record)
                    if place is not None:
                        return place
                at = start + size
                if at >= space.end:
                    break


def _address(number: int, space: _Space) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.IPv4Address(number) if space is _IPV4 else ipaddress.IPv6Address(number)


def _place(address: ipaddress.IPv4Address | ipaddress.IPv6Address, record: dict[str, object]) -> Place | None:
    """None where nobody can have the address, or the record has no country."""
    country, longitude = record.get("country_code"), record.get("longitude")
    if not address.is_global or not isinstance(country, str) or not country:
        return None
    zone_hours = longitude / _HOUR_DEGREES if isinstance(longitude, float) else 0.0
    return Place(str(address), country, zone_hours)
