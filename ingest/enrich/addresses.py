"""Addresses as databases look them up, and those that no database can know."""

import ipaddress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What the columns from databases say where there is nothing to know, or nothing is known.
PRIVATE_NAME: Final = "Private"
UNKNOWN_NAME: Final = "Unknown"

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


def parse_address(text: str) -> Address | None:
    """The address, an IPv4-mapped one as IPv4; None where it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def is_private(address: Address) -> bool:
    return any(address in network for network in _PRIVATE_NETWORKS)
