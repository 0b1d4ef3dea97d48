"""Whose network an address is in: number and name of its autonomous system, and its kind.

Read are MaxMind's and DB-IP's ASN files (`*.mmdb`), and ip-location-db's tables (`*asn-ipv4-num.csv`,
`*asn-ipv6-num.csv`: first and last address as numbers, AS number, name; ordered by address).
"""

import itertools
import logging
import operator
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import maxminddb
import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from ingest.columns import CodedColumn
from ingest.enrich.addresses import (
    PRIVATE_NAME,
    UNKNOWN_NAME,
    Address,
    are_private,
    read_address,
    split_ipv4,
)
from ingest.enrich.database_files import DatabaseFileError, DatabaseFiles, MmdbFile, open_mmdb
from ingest.enrich.known_facts import KnownFacts, Numbered
from ingest.enrich.network_kinds import network_kind

PATTERNS: Final = ("*.mmdb", "*asn-ipv[46]-num.csv")

_log = logging.getLogger(__name__)


class Network(NamedTuple):
    """A row of the network columns: AS number (0: not known), its holder's name, its kind."""

    asn: int
    network: str
    network_kind: str


UNKNOWN: Final = Network(0, UNKNOWN_NAME, UNKNOWN_NAME)
PRIVATE: Final = Network(0, PRIVATE_NAME, PRIVATE_NAME)


class NetworkDatabase(Protocol):
    """One file. `find` answers AS number and name, None for what it doesn't know."""

    @property
    def path(self) -> Path: ...

    def find(self, address: Address) -> tuple[int, str] | None: ...


class Networks:
    """The network databases at a path, a file or a folder; None: no database. See `database_files.py`."""

    def __init__(self, path: Path | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._files: DatabaseFiles[NetworkDatabase] = DatabaseFiles(path, PATTERNS, _open, clock=clock)
        self._known = KnownFacts(self._look_up_all)

    def find(self, address: str) -> Network:
        return self._look_up(address)

    def find_all(self, addresses: Numbered) -> CodedColumn:
        """The network of each."""
        return self._known.column(addresses)

    def refresh(self) -> None:
        """Read the files again if they changed. Cheap; call it once a batch."""
        if self._files.refresh():
            self._known.forget()

    @property
    def misses(self) -> int:
        """How many addresses had to be looked up so far."""
        return self._known.misses

    def _look_up_all(self, addresses: Collection[str]) -> Iterator[tuple[str, Network]]:
        others: Collection[str] = addresses
        tables = [database for database in self._files.databases if isinstance(database, TableOfNetworks)]
        if len(tables) == len(self._files.databases):
            ipv4, numbers, others = split_ipv4(addresses)
            yield from zip(ipv4, _look_up_ipv4(numbers, tables), strict=True)
        for address in others:
            yield address, self._look_up(address)

    def _look_up(self, address: str) -> Network:
        ip, is_private = read_address(address)
        if ip is None:
            return UNKNOWN
        if is_private:
            return PRIVATE
        for database in self._files.databases:
            try:
                found = database.find(ip)
            except (maxminddb.InvalidDatabaseError, ValueError) as error:
                _log.warning("network database %s is damaged: %s", database.path, error)
                self._files.drop(database.path)
                continue
            if found is not None:
                return _network(*found)
        return UNKNOWN


@dataclass(frozen=True, slots=True)
class MmdbNetworks:
    """An ASN or ISP file in MaxMind's format."""

    file: MmdbFile

    @property
    def path(self) -> Path:
        return self.file.path

    def find(self, address: Address) -> tuple[int, str] | None:
        if address.version > self.file.ip_version:
            return None
        record: Any = self.file.reader.get(address)
        if not isinstance(record, dict):
            return None
        asn, name = (record.get(f"autonomous_system_{part}") for part in ("number", "organization"))
        if not isinstance(asn, int) or not 0 < asn < 2**32:
            return None
        return asn, name if isinstance(name, str) else ""


@dataclass(frozen=True, slots=True)
class TableOfNetworks:
    """Ranges of addresses of one family as parallel columns, ordered by their first address.

    Arrow reads and keeps the names: half a million are there in 0.1 s, and none of them is a Python object.
    """

    path: Path
    ip_version: int
    first: Sequence[int]
    last: Sequence[int]
    asn: Sequence[int]
    names: pa.StringArray

    def find(self, address: Address) -> tuple[int, str] | None:
        if address.version != self.ip_version:
            return None
        number = int(address)
        at = bisect_right(self.first, number) - 1
        if at < 0 or number > self.last[at]:
            return None
        return self.asn[at], self.names[at].as_py()

    def find_ipv4(self, numbers: NDArray[np.uint32]) -> tuple[NDArray[np.intp], Iterable[Network]]:
        """Which of these addresses it knows, by their indexes, and their networks. For IPv4 tables."""
        rows = np.searchsorted(np.asarray(self.first, np.uint32), numbers, "right") - 1
        known = np.flatnonzero((rows >= 0) & (numbers <= np.asarray(self.last, np.uint32)[rows]))
        rows = rows[known]
        asns = np.asarray(self.asn, np.uint32)[rows].tolist()
        return known, map(_network, asns, self.names.take(pa.array(rows)).to_pylist())


def _look_up_ipv4(numbers: NDArray[np.uint32], tables: Sequence[TableOfNetworks]) -> list[Network]:
    """As `Networks.find` of each. The first of the tables that knows an address decides."""
    networks = [UNKNOWN] * len(numbers)
    for table in reversed(tables):
        if table.ip_version == 4 and table.first:
            for at, network in zip(*table.find_ipv4(numbers), strict=True):
                networks[at] = network
    for at in np.flatnonzero(are_private(numbers)):
        networks[at] = PRIVATE
    return networks


@lru_cache(16_384)
def _network(asn: int, name: str) -> Network:
    return Network(asn, name or UNKNOWN_NAME, network_kind(asn, name))


def _open(path: Path) -> NetworkDatabase | None:
    """None for a database that is of places. Raises `DatabaseFileError`."""
    if path.suffix == ".mmdb":
        file = open_mmdb(path, of_networks=True)
        return None if file is None else MmdbNetworks(file)
    return _read_table(path, ip_version=4 if "ipv4" in path.name else 6)


def _read_table(path: Path, *, ip_version: int) -> TableOfNetworks:
    number = pa.uint32() if ip_version == 4 else pa.string()  # nothing of Arrow's holds 39 digits
    types = {"first": number, "last": number, "asn": pa.uint32(), "name": pa.string()}
    try:
        table = pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(column_names=list(types)),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types),
        )
        first, last = (_numbers(table[name], ip_version) for name in ("first", "last"))
        names = table["name"].combine_chunks()
    except (OSError, ValueError, OverflowError) as error:
        raise DatabaseFileError(str(error)) from error
    if any(itertools.starmap(operator.gt, itertools.pairwise(first))):
        raise DatabaseFileError("it is not in the order of addresses")
    return TableOfNetworks(path, ip_version, first, last, _numbers(table["asn"], 4), names)


def _numbers(column: pa.ChunkedArray, ip_version: int) -> Sequence[int]:
    """Raises `ValueError` where one is missing."""
    if column.null_count:
        raise ValueError("a number is missing")
    if ip_version == 6:
        return list(map(int, column.to_pylist()))
    numbers = array("I")
    for chunk in column.chunks:  # its bytes themselves: `to_numpy` would load pandas first
        _, data = chunk.buffers()
        numbers.frombytes(memoryview(data)[4 * chunk.offset : 4 * (chunk.offset + len(chunk))])
    return numbers
