"""The client's address behind trusted proxies. Pure functions."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_address(text: str) -> Address | None:
    """The address, an IPv4-mapped IPv6 one as IPv4; None where it is none, or is tied to a zone."""
    if "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def client_address(peer: str, forwarded_for: str, trusted: Iterable[Network]) -> str:
    """The nearest address that no trusted proxy has; "" where the peer has none (a Unix socket).

    `forwarded_for` is the whole `X-Forwarded-For` list. It is walked from the right, where the nearest
    proxy wrote, and only as long as the address so far is a trusted proxy's: what stands further left is
    the client's own claim. An entry that is no address stops the walk.
    """
    address = parse_address(peer)
    if address is None:
        return ""
    networks = tuple(trusted)
    for entry in reversed(forwarded_for.split(",")):
        if not any(address in network for network in networks):
            break
        claimed = parse_address(entry.strip(" \t"))
        if claimed is None:
            break
        address = claimed
    return str(address)
