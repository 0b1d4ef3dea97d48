"""Which Host is which domain."""

import pytest

from edge.domains import Domains


@pytest.mark.parametrize(
    "host", [b"s.example.com", b"S.Example.COM", b"s.example.com:443", b"s.example.com:80"]
)
def test_the_default_domain_is_found_whatever_its_case(host: bytes) -> None:
    domain = Domains("s.example.com").find(host)
    assert domain is not None
    assert domain.name == "s.example.com"


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"example.com",
        b"s.example.com:8080",
        b"s.example.com.evil",
        b"localhost",
        b"127.0.0.1",
        b"a b",
        b"[",
    ],
)
def test_any_other_host_is_none_of_ours(host: bytes) -> None:
    assert Domains("s.example.com").find(host) is None


@pytest.mark.parametrize(
    "host",
    [b"localhost", b"localhost:9", b"LOCALHOST", b"127.0.0.1", b"127.8.9.1:80", b"[::1]", b"[::1]:8080"],
)
def test_while_the_default_is_localhost_every_loopback_name_is_it(host: bytes) -> None:
    domain = Domains("localhost:8080").find(host)
    assert domain is not None
    assert domain.name == "localhost:8080"


@pytest.mark.parametrize("host", [b"10.0.0.1", b"localhost.example.com", b"[::2]", b"128.0.0.1"])
def test_even_then_others_are_not(host: bytes) -> None:
    assert Domains("localhost:8080").find(host) is None


def test_a_domain_with_a_port_is_found_with_that_port_alone() -> None:
    domains = Domains("s.example.com:8443")
    assert domains.find(b"s.example.com:8443") is not None
    assert domains.find(b"s.example.com") is None
