"""Which `Host` is which domain. Pure functions over frozen values."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

_HOST_AND_PORT: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?\Z")
_WEB_PORTS: Final = (b"80", b"443")


@dataclass(frozen=True, slots=True)
class Domain:
    """A configured domain: its name as configured, and the tag of its codes in Redis (`edge/codes.py`)."""

    name: str
    tag: bytes = b""


class Domains:
    """The domains that this edge answers for: for now, the default one.

    While the default domain is a `localhost` one, `localhost` and loopback addresses count as it, with any
    port, so that a trial run works by whatever name it is reached.
    """

    def __init__(self, default_domain: str) -> None:
        self._default = Domain(default_domain)
        host, port = _split(default_domain.encode()) or (default_domain.encode(), None)
        self._host = host
        self._ports = (None, *_WEB_PORTS) if port is None else (port,)
        self._is_local = _is_loopback(host)

    def find(self, host: bytes) -> Domain | None:
        """The domain of a `Host` header's value, whatever its case; None where it is none of ours."""
        parts = _split(host)
        if parts is None:
            return None
        name, port = parts
        if (name == self._host and port in self._ports) or (self._is_local and _is_loopback(name)):
            return self._default
        return None


def _split(host: bytes) -> tuple[bytes, bytes | None] | None:
    match = _HOST_AND_PORT.match(host.lower())
    return None if match is None else (match[1], match[2])


def _is_loopback(host: bytes) -> bool:
    if host == b"localhost":
        return True
    try:
        return ipaddress.ip_address(host.decode().strip("[]")).is_loopback
    except ValueError:
        return False
