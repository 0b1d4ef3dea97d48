"""Where an address is: city databases of DB-IP (flat records) or MaxMind (nested ones), whichever lie there.

Every key is readable: `Unknown` where the database has nothing (or there is no database), `Private` where the
address is of a network that no database can know. Coordinates are 0.0 then.
"""

import ipaddress
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import maxminddb

CHECK_INTERVAL_S: Final = 10.0
CACHE_SIZE: Final = 16_384

_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """A row of the geo columns. `country` is an ISO 3166 code; degrees are of the city's centre."""

    country: str
    region: str
    city: str
    latitude: float
    longitude: float


UNKNOWN: Final = Place("Unknown", "Unknown", "Unknown", 0.0, 0.0)
PRIVATE: Final = Place("Private", "Private", "Private", 0.0, 0.0)

# Loopback, link-local, private and carrier-grade NAT networks. Documentation networks are not among them.
_PRIVATE_NETWORKS: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "::1/128",
        "fe80::/10",
        "fc00::/7",
    )
)


@dataclass(frozen=True, slots=True)
class Database:
    """One open file. `kind` is what its maker calls it; `ip_version` 4 knows no IPv6 addresses."""

    path: Path
    kind: str
    ip_version: int
    reader: maxminddb.Reader


class Geo:
    """The databases at a path: one `*.mmdb` file, or a folder of them. None: no database.

    Files that change are read again, looked at every 10 s at the most by `refresh`. One that can't be read is
    passed over with a warning until it changes; the others go on. Where several know an address, a city
    database comes before others, then the file's name decides.
    """

    def __init__(self, path: Path | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._checked_s = clock()
        self._seen = _stamps(path)
        self._databases = _open(self._seen)
        self._locate = lru_cache(CACHE_SIZE)(self._look_up)

    def locate(self, address: str) -> Place:
        return self._locate(address)

    def refresh(self) -> None:
        """Read the files again if they changed. Cheap; call it once a batch."""
        now_s = self._clock()
        if now_s - self._checked_s < CHECK_INTERVAL_S:
            return
        self._checked_s = now_s
        stamps = _stamps(self._path)
        if stamps != self._seen:
            self._seen = stamps
            self._databases = _open(stamps)
            self._locate.cache_clear()

    def cache_use(self) -> tuple[int, int]:
        """Hits and misses so far."""
        return self._locate.cache_info()[:2]

    @property
    def database_kinds(self) -> list[str]:
        """The databases in use, as their makers call them."""
        return [database.kind for database in self._databases]

    def _look_up(self, address: str) -> Place:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return UNKNOWN
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        if any(ip in network for network in _PRIVATE_NETWORKS):
            return PRIVATE
        for database in self._databases:
            if ip.version > database.ip_version:
                continue
            try:
                place = _place(database.reader.get(ip))
            except (maxminddb.InvalidDatabaseError, ValueError) as error:
                _log.warning("city database %s is damaged: %s", database.path, error)
                self._databases = [other for other in self._databases if other is not database]
                continue
            if place is not None:
                return place
        return UNKNOWN


def _stamps(path: Path | None) -> dict[Path, tuple[int, int]]:
    """Each database file's modification time and size."""
    if path is None:
        return {}
    try:
        files = sorted(path.glob("*.mmdb")) if path.is_dir() else [path]
        return {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in files}
    except OSError as error:
        _log.warning("no city database: %s", error)
        return {}


def _open(files: Iterable[Path]) -> list[Database]:
    databases = []
    for file in files:
        try:
            reader = maxminddb.open_database(file, maxminddb.MODE_MMAP_EXT)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            _log.warning("city database %s can't be read: %s", file, error)
            continue
        metadata = reader.metadata()
        databases.append(Database(file, metadata.database_type, metadata.ip_version, reader))
    return sorted(databases, key=lambda database: "city" not in database.kind.lower())


def _place(record: Any) -> Place | None:
    """The place in a record; None where it has no country (another kind of database, or an empty record)."""
    if not isinstance(record, dict):
        return None
    if "country_code" in record:
        return _of(
            record["country_code"],
            record.get("state1"),
            record.get("city"),
            record.get("latitude"),
            record.get("longitude"),
        )
    return _of(
        _within(record, "country", "iso_code"),
        _within(record, "subdivisions", 0, "names", "en"),
        _within(record, "city", "names", "en"),
        _within(record, "location", "latitude"),
        _within(record, "location", "longitude"),
    )


def _of(country: Any, region: Any, city: Any, latitude: Any, longitude: Any) -> Place | None:
    if not isinstance(country, str) or not country:
        return None
    return Place(country, _name(region), _name(city), _degrees(latitude), _degrees(longitude))


def _name(value: Any) -> str:
    return value if isinstance(value, str) and value else "Unknown"


def _degrees(value: Any) -> float:
    return float(value) if isinstance(value, float | int) else 0.0


def _within(record: Any, *path: str | int) -> Any:
    """The value at a path of keys and indexes; None where it doesn't lead that far."""
    for step in path:
        try:
            record = record[step]
        except (KeyError, IndexError, TypeError):
            return None
    return record
