"""Which addresses calls may go to: public ones, by IANA's registries, whatever hides in an IPv6 address."""

import ipaddress

import pytest

from aggregator.contract import is_reachable

NOT_PUBLIC = """
    0.0.0.0 10.0.0.1 100.64.0.1 127.8.9.1 169.254.169.254 172.16.0.1 192.0.0.8 192.0.0.192 192.0.2.1
    192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255
    :: ::1 ::10.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::a00:1 64:ff9b:1::a00:1 100::1 2001::1
    2001:db8::1 2002:a00:1:: 3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1
"""
PUBLIC = (
    "1.1.1.1 8.8.8.8 192.0.1.1 2606:4700::1111 2a00:1450::1 64:ff9b::808:808 2002:808:808::1 ::ffff:8.8.8.8"
)


@pytest.mark.parametrize("text", NOT_PUBLIC.split())
def test_no_call_goes_to_what_is_not_public(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert not is_reachable(address, [])
    assert is_reachable(address, [ipaddress.ip_network(address)]), "save where the settings allow it"


@pytest.mark.parametrize("text", PUBLIC.split())
def test_calls_go_to_public_addresses(text: str) -> None:
    assert is_reachable(ipaddress.ip_address(text), [])
