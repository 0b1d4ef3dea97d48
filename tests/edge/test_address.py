"""The client's address, a topology each."""

import ipaddress

import pytest

from edge.address import client_address, to_ranges

PRIVATE = to_ranges((ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        # no proxy: what the client claims is worth nothing
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        # one trusted proxy
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        # two trusted proxies
        ("10.0.0.1", "203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1,203.0.113.7,10.0.0.2", "203.0.113.7"),
        # all are proxies: the farthest
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # IPv6, and IPv4 in IPv6
        ("fd00::1", "2001:DB8::7", "2001:db8::7"),
        ("::ffff:10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "", "203.0.113.7"),
        # garbage stops the walk where the last address was sure
        ("10.0.0.1", "203.0.113.7, unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7, , 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", 'fe80::1%"},"x":"', "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7:443", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.007", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7\x00", "10.0.0.1"),
        ("10.0.0.1", "\xe9", "10.0.0.1"),
        ("fe80::7%eth0", "", "fe80::7"),
        # a Unix socket has no address
        ("", "203.0.113.7", ""),
    ],
)
def test_client_address(peer: str, forwarded_for: str, address: str) -> None:
    assert client_address(peer, forwarded_for, PRIVATE) == address


def test_without_trusted_proxies_the_peer_is_the_client() -> None:
    assert client_address("10.0.0.1", "203.0.113.7", ()) == "10.0.0.1"
