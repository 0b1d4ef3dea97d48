"""Where an address is: city databases of DB-IP (flat records) or MaxMind (nested ones), whichever lie there.

Every key is readable: `Unknown` where the database has nothing (or there is no database), `Private` where the
address is of a network that no database can know. Coordinates are 0.0 then.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import maxminddb

from ingest.columns import CodedColumn
from ingest.enrich.addresses import PRIVATE_NAME, UNKNOWN_NAME, are_private, read_address, split_ipv4
from ingest.enrich.database_files import DatabaseFiles, MmdbFile, open_mmdb
from ingest.enrich.known_facts import KnownFacts, Numbered

_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """A row of the geo columns. `country` is an ISO 3166 code; degrees are of the city's centre."""

    country: str
    region: str
    city: str
    latitude: float
    longitude: float


UNKNOWN: Final = Place(UNKNOWN_NAME, UNKNOWN_NAME, UNKNOWN_NAME, 0.0, 0.0)
PRIVATE: Final = Place(PRIVATE_NAME, PRIVATE_NAME, PRIVATE_NAME, 0.0, 0.0)


class Geo:
    """The city databases at a path: one `*.mmdb` file, or a folder of them. None: no database.

    Files that change are read again (`ingest/enrich/database_files.py`). Where several know an address, a
    city database comes before others, then the file's name decides.
    """

    def __init__(self, path: Path | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._files: DatabaseFiles[MmdbFile] = DatabaseFiles(
            path, ("*.mmdb",), partial(open_mmdb, of_networks=False), clock=clock
        )
        self._databases = _in_order(self._files.databases)
        self._known = KnownFacts(self._look_up_all)

    def locate(self, address: str) -> Place:
        return self._look_up(address)

    def locate_all(self, addresses: Numbered) -> CodedColumn:
        """The place of each."""
        return self._known.column(addresses)

    def refresh(self) -> None:
        """Read the files again if they changed. Cheap; call it once a batch."""
        if self._files.refresh():
            self._databases = _in_order(self._files.databases)
            self._known.forget()

    @property
    def misses(self) -> int:
        """How many addresses had to be looked up so far."""
        return self._known.misses

    @property
    def database_kinds(self) -> list[str]:
        """The databases in use, as their makers call them."""
        return [database.kind for database in self._databases]

    def _look_up_all(self, addresses: Collection[str]) -> Iterator[tuple[str, Place]]:
        ipv4, numbers, others = split_ipv4(addresses)
        for address, is_private in zip(ipv4, are_private(numbers).tolist(), strict=True):
            yield address, PRIVATE if is_private else self._find(address, 4)
        for address in others:
            yield address, self._look_up(address)

    def _look_up(self, address: str) -> Place:
        ip, is_private = read_address(address)
        if ip is None:
            return UNKNOWN
        if is_private:
            return PRIVATE
        return self._find(str(ip) if ip.version == 4 and ":" in address else address, ip.version)

    def _find(self, address: str, ip_version: int) -> Place:
        """By its text, which the reader takes in less time than an address."""
        for database in self._databases:
            if ip_version > database.ip_version:
                continue
            try:
                place = _place(database.reader.get(address))
            except (maxminddb.InvalidDatabaseError, ValueError) as error:
                _log.warning("city database %s is damaged: %s", database.path, error)
                self._files.drop(database.path)
                self._databases = [other for other in self._databases if other is not database]
                continue
            if place is not None:
                return place
        return UNKNOWN


def _in_order(databases: list[MmdbFile]) -> list[MmdbFile]:
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
    return value if isinstance(value, str) and value else UNKNOWN_NAME


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
