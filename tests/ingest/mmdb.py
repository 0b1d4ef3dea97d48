"""Writes small MaxMind databases, so that both record layouts are read by the real reader from real files."""

import ipaddress
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_METADATA_START = b"\xab\xcd\xefMaxMind.com"
_DATA_SEPARATOR_BYTES = 16
_UNSIGNED_KINDS = {2: 5, 4: 6, 8: 9}


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A number and the bytes it is stored in; the reader insists on the format's own sizes."""

    size: int
    number: int


def write_mmdb(path: Path, records: Mapping[str, object], *, ip_version: int, kind: str = "City") -> None:
    """A database of `{network: record}`; records are dicts of strings, floats, numbers, lists and dicts."""
    nodes: list[list[Any]] = [[None, None]]
    data = b""
    for network, record in records.items():
        parsed = ipaddress.ip_network(network)
        bits = f"{int(parsed.network_address):0{parsed.max_prefixlen}b}"[: parsed.prefixlen]
        if ip_version == 6 and parsed.version == 4:
            bits = "0" * 96 + bits
        at = 0
        for bit in bits[:-1]:
            if nodes[at][int(bit)] is None:
                nodes.append([None, None])
                nodes[at][int(bit)] = len(nodes) - 1
            at = nodes[at][int(bit)]
        nodes[at][int(bits[-1])] = ("data", len(data))
        data += _encoded(record)
    tree = b"".join(struct.pack(">II", *(_pointer(side, len(nodes)) for side in node)) for node in nodes)
    metadata = {
        "node_count": Unsigned(4, len(nodes)),
        "record_size": Unsigned(2, 32),
        "ip_version": Unsigned(2, ip_version),
        "database_type": kind,
        "languages": ["en"],
        "binary_format_major_version": Unsigned(2, 2),
        "binary_format_minor_version": Unsigned(2, 0),
        "build_epoch": Unsigned(8, 1),
        "description": {"en": "made by a test"},
    }
    path.write_bytes(tree + bytes(_DATA_SEPARATOR_BYTES) + data + _METADATA_START + _encoded(metadata))


def _pointer(side: Any, node_count: int) -> int:
    if side is None:
        return node_count
    if isinstance(side, int):
        return side
    return node_count + _DATA_SEPARATOR_BYTES + int(side[1])


def _encoded(value: object) -> bytes:
    if isinstance(value, str):
        return _control(2, len(value.encode())) + value.encode()
    if isinstance(value, float):
        return _control(3, 8) + struct.pack(">d", value)
    if isinstance(value, Unsigned):
        return _control(_UNSIGNED_KINDS[value.size], value.size) + value.number.to_bytes(value.size, "big")
    if isinstance(value, list):
        return _control(11, len(value)) + b"".join(map(_encoded, value))
    assert isinstance(value, dict)
    return _control(7, len(value)) + b"".join(_encoded(part) for item in value.items() for part in item)


def _control(kind: int, size: int) -> bytes:
    kind_bits, extension = (kind << 5, b"") if kind <= 7 else (0, bytes([kind - 7]))
    if size < 29:
        return bytes([kind_bits | size]) + extension
    assert size < 29 + 256
    return bytes([kind_bits | 29]) + extension + bytes([size - 29])
