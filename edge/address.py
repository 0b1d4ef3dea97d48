"""The client's address behind trusted proxies. Pure functions.

Addresses are packed (4 or 16 bytes, network order): behind a proxy every request has one to read, and this
takes a fifth of the time of `ipaddress`.
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import NamedTuple

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED_PREFIX = bytes(10) + b"\xff\xff"


class AddressRange(NamedTuple):
    """A network: packed addresses of `length` bytes whose bits under `mask` are those of `network`."""

    length: int
    network: int
    mask: int


def to_ranges(networks: Iterable[Network]) -> tuple[AddressRange, ...]:
    return tuple(
        AddressRange(each.max_prefixlen // 8, int(each.network_address), int(each.netmask))
        for each in networks
    )


def client_address(peer: str, forwarded_for: str, trusted: tuple[AddressRange, ...]) -> str:
    """The nearest address that no trusted proxy has; "" where the peer has none (a Unix socket).

    `forwarded_for` is the whole `X-Forwarded-For` list. It is walked from the right, where the nearest
    proxy wrote, and only as long as the address so far is a trusted proxy's: what stands further left is
    the client's own claim. An entry that is no address stops the walk.
    """
    address = _pack(peer.partition("%")[0])  # a link-local peer is named with its zone
    if address is None:
        return ""
    claimed = claimed_address(forwarded_for, trusted) if _is_in(address, trusted) else ""
    return claimed or _text(address)


def claimed_address(forwarded_for: str, trusted: tuple[AddressRange, ...]) -> str:
    """The address that this list makes of one whom a trusted proxy names; "" for an entry that is none."""
    address = None
    while True:
        forwarded_for, comma, entry = forwarded_for.rpartition(",")
        claimed = _pack(entry.strip(" \t"))
        if claimed is None:
            break
        address = claimed
        if not comma or not _is_in(address, trusted):
            break
    return "" if address is None else _text(address)


def is_trusted(peer: str, trusted: tuple[AddressRange, ...]) -> bool:
    """Whether the peer is one of the proxies whose list counts."""
    address = _pack(peer.partition("%")[0])
    return address is not None and _is_in(address, trusted)


def _pack(text: str) -> bytes | None:
    """The packed address, an IPv4-mapped IPv6 one as IPv4; None where the text is no address."""
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED_PREFIX) else packed


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def _is_in(address: bytes, ranges: tuple[AddressRange, ...]) -> bool:
    number, length = int.from_bytes(address), len(address)
    return any(length == each.length and number & each.mask == each.network for each in ranges)
