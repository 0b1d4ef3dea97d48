"""Whose click it is, a topology each: over sockets, with a real nginx or with what proxies send."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edge.conftest import Edge, running_edge
from tests.fixtures.nginx import Nginx
from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer

CLIENT = "127.0.0.2"
FIRST_PROXY, SECOND_PROXY = "127.0.0.3", "127.0.0.4"

SERVER = """
  server {{
    listen {listen}:{port};
    location / {{
      proxy_pass http://127.0.0.1:{to};
      proxy_bind {address};
      proxy_set_header Host localhost;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
"""


def server(*, port: int, to: int, address: str, listen: str = "127.0.0.1") -> str:
    return SERVER.format(listen=listen, port=port, to=to, address=address)


@pytest.fixture
async def edge(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Edge]:
    """An edge that trusts two proxies."""
    trusted = f"{FIRST_PROXY},{SECOND_PROXY},fd00::/8"
    async with running_edge(redis_server.url, redis_server.url, tmp_path, trusted_proxies=trusted) as running:
        await running.put(1, "Penhgyab")
        yield running


def click_by(address: str, port: int, **headers: str) -> int:
    """Ask for the code from this address; the answer's status."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join(("GET /Penhgyab HTTP/1.1", "Host: localhost", "Connection: close", *lines, "", ""))
    host = "::1" if ":" in address else "127.0.0.1"
    with socket.create_connection((host, port), timeout=180, source_address=(address, 0)) as connection:
        connection.sendall(head.encode())
        return int(connection.makefile("rb").readline().split()[1])


async def address_of_click(edge: Edge, peer: str, port: int | None = None, **headers: str) -> object:
    assert await asyncio.to_thread(click_by, peer, port or edge.port, **headers) == 302
    return edge.clicks()[-1]["ip"]


async def test_without_a_proxy_the_peer_is_the_client(edge: Edge) -> None:
    assert await address_of_click(edge, CLIENT) == CLIENT
    assert await address_of_click(edge, CLIENT, X_Forwarded_For="203.0.113.7") == CLIENT


@pytest.mark.parametrize(
    ("forwarded_for", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),  # the client's own claim stands to the left
        (f"198.51.100.1, 203.0.113.7, {SECOND_PROXY}", "203.0.113.7"),
        (f"203.0.113.7, ::ffff:{SECOND_PROXY}", "203.0.113.7"),
        ("2001:db8::7, fd00::1", "2001:db8::7"),
        ("unknown", FIRST_PROXY),
    ],
)
async def test_what_trusted_proxies_say_is_believed(edge: Edge, forwarded_for: str, address: str) -> None:
    assert await address_of_click(edge, FIRST_PROXY, X_Forwarded_For=forwarded_for) == address


async def test_lists_in_several_lines_are_one(edge: Edge) -> None:
    both = f"203.0.113.7\r\nX-Forwarded-For: {SECOND_PROXY}"
    assert await address_of_click(edge, FIRST_PROXY, X_Forwarded_For=both) == "203.0.113.7"


@pytest.mark.needs_nginx
async def test_behind_one_nginx(edge: Edge, nginx: Nginx) -> None:
    port = free_port()
    nginx.start(server(port=port, to=edge.port, address=FIRST_PROXY), port)
    assert await address_of_click(edge, CLIENT, port) == CLIENT
    assert await address_of_click(edge, CLIENT, port, X_Forwarded_For="203.0.113.7") == CLIENT


@pytest.mark.needs_nginx
async def test_behind_two_nginx(edge: Edge, nginx: Nginx) -> None:
    outer, inner = free_port(), free_port()
    servers = server(port=outer, to=inner, address=FIRST_PROXY)
    servers += server(port=inner, to=edge.port, address=SECOND_PROXY)
    nginx.start(servers, outer)
    assert await address_of_click(edge, CLIENT, outer) == CLIENT
    assert await address_of_click(edge, CLIENT, outer, X_Forwarded_For="203.0.113.7") == CLIENT
    assert await address_of_click(edge, CLIENT, inner) == CLIENT


@pytest.mark.needs_nginx
async def test_an_nginx_that_is_not_trusted_is_the_client(edge: Edge, nginx: Nginx) -> None:
    port = free_port()
    nginx.start(server(port=port, to=edge.port, address="127.0.0.5"), port)
    assert await address_of_click(edge, CLIENT, port) == "127.0.0.5"


@pytest.mark.needs_nginx
async def test_a_client_by_ipv6_behind_nginx(edge: Edge, nginx: Nginx) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback address")
    port = free_port()
    servers = server(port=port, to=edge.port, address=FIRST_PROXY)
    nginx.start(servers + server(port=port, to=edge.port, address=FIRST_PROXY, listen="[::1]"), port)
    assert await address_of_click(edge, "::1", port) == "::1"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
