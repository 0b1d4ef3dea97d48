"""HTTP calls to addresses that others choose: never to our own networks, whatever a name resolves to.

The address is checked where the socket is made for it: what was checked is what is connected to, so a name
that resolves to something else a moment later changes nothing. Proxies of the environment are never used;
callers leave redirects alone (`allow_redirects=False`).
"""

import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

import aiohttp

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
# Site-local addresses, local NAT64 prefixes and IPv4-compatible ones lie outside of it.
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
# In IANA's registries of special addresses, and not in those that Python 3.11 knows.
_SPECIAL: Final = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))


class AddressRefusedError(OSError):
    """The address is not public, and not in the networks that the settings allow."""


def is_reachable(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether calls may go there: to public addresses, and to `allowed` networks.

    An IPv4 address inside an IPv6 one (mapped, 6to4, Teredo, NAT64) is judged by itself.
    """
    if any(address in network for network in allowed):
        return True
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo
        inner = address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_reachable(inner, allowed)
        if address not in _GLOBAL_UNICAST:
            return False
    if any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not address.is_multicast


def _socket_factory(allowed: Sequence[Network]) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    def make_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, type_, protocol, _, where = info
        text = str(where[0]).partition("%")[0]
        if not is_reachable(ipaddress.ip_address(text), allowed):
            raise AddressRefusedError(f"{text} is not a public address")
        return socket.socket(family, type_, protocol)

    return make_socket


def open_session(
    allowed: Sequence[Network],
    *,
    timeout_s: float,
    tls: ssl.SSLContext | None = None,
    limit_per_host: int = 0,
) -> aiohttp.ClientSession:
    """A session for such calls; `tls` None trusts what the system trusts. The caller closes it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            socket_factory=_socket_factory(allowed),
            ssl=True if tls is None else tls,
            limit_per_host=limit_per_host,
        ),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )
