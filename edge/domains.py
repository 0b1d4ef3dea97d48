"""Which `Host` is which domain, and what a domain has of its own.

In Redis the hash `domains` holds a JSON document for each host. The edge reads of it:

| field | type | meaning |
| --- | --- | --- |
| `host` | str | `host` or `host:port`, in lower case; without a port it is found on ports 80 and 443 |
| `tag` | str | of the domain's codes, `edge/codes.py` |
| `deleted` | bool | it is none of ours any more; its tag stays its own |
| `not_found_url`, `expired_url` | str or null | redirected to; it counts before any page |
| `not_found_page`, `expired_page` | object or null | plain text of the 404 and 410 page: `title`, `message` |
| `apple_app_site_association`, `assetlinks` | any or null | served under `/.well-known/` |
"""

import ipaddress
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from edge.pages import render_page
from edge.routing import GONE, NOT_FOUND, UNAVAILABLE, Decision, fits_location

_HOST_AND_PORT: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?\Z")
_WEB_PORTS: Final = (b":80", b":443")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Domain:
    """A configured domain: its name as configured, the tag of its codes, its own answers and files.

    `not_found` is the decision on what no link is for, `gone` that on an expired link without a URL for
    then. The association files are JSON, b"" where there is none.
    """

    name: str
    tag: bytes = b""
    not_found: Decision = NOT_FOUND
    gone: Decision = GONE
    apple_app_site_association: bytes = b""
    assetlinks: bytes = b""


def read_domain(document: bytes) -> Domain | None:
    """The domain of a document in Redis; None where it was deleted. Raises `ValueError` where it is none."""
    try:
        fields = orjson.loads(document)
        if fields["deleted"]:
            return None
        return Domain(
            name=fields["host"],
            tag=fields["tag"].encode("ascii"),
            not_found=_own(NOT_FOUND, fields["not_found_url"], fields["not_found_page"]),
            gone=_own(GONE, fields["expired_url"], fields["expired_page"]),
            apple_app_site_association=_json(fields["apple_app_site_association"]),
            assetlinks=_json(fields["assetlinks"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a domain's document: {error!r}") from None


class Domains:
    """The domains that this edge answers for: the default one, and those that Redis has.

    While the default domain is a `localhost` one, `localhost` and loopback addresses count as it, with any
    port, so that a trial run works by whatever name it is reached.
    """

    def __init__(self, default_domain: str) -> None:
        self._default_name = default_domain
        host, _ = _split(default_domain.encode()) or (b"", None)
        self._is_local = _is_loopback(host)
        self._on_change: Callable[[], None] = lambda: None
        self.are_known = False
        """Whether Redis has told them. Until then nobody knows that a host is none of ours."""
        self._serve([])

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back after every change: what was found before is no longer right."""
        self._on_change = callback

    def load(self, documents: Mapping[bytes, bytes]) -> None:
        """Answer for the domains of these documents by host from now on, and for the default one."""
        read = []
        for host, document in documents.items():
            try:
                domain = read_domain(document)
            except ValueError:
                _log.exception("the domain %r in Redis can't be read, so it is not served", host)
            else:
                if domain is not None:
                    read.append(domain)
        self.are_known = True
        self._serve(read)

    def find(self, host: bytes) -> Domain | None:
        """The domain of a `Host` header's value, whatever its case; None where it is none of ours."""
        domain = self._by_host.get(host.lower())
        if domain is None and self._is_local:
            parts = _split(host)
            return self._default if parts is not None and _is_loopback(parts[0]) else None
        return domain

    def refusal(self, domain: Domain | None) -> Decision:
        """The decision on what no link is for. None: the host is none of ours, or nobody knows yet."""
        if domain is not None:
            return domain.not_found
        return NOT_FOUND if self.are_known else UNAVAILABLE

    def _serve(self, domains: list[Domain]) -> None:
        by_host: dict[bytes, Domain] = {}
        for domain in (Domain(self._default_name), *domains):
            host = domain.name.encode()
            _, port = _split(host) or (host, None)
            by_host[host] = domain
            if port is None:
                by_host.update((host + web_port, domain) for web_port in _WEB_PORTS)
        self._by_host = by_host
        self._default = by_host[self._default_name.encode()]
        self._on_change()


def _own(ours: Decision, url: str | None, page: Mapping[str, str] | None) -> Decision:
    """The domain's decision in place of ours: a redirect, a page, or ours after all."""
    if url is not None:
        destination = url.encode("ascii")
        if not fits_location(destination):
            raise ValueError("a URL is no visible ASCII")
        return replace(ours, outcome="redirected" if ours is GONE else ours.outcome, destination=destination)
    if page is not None:
        return replace(ours, page=render_page(page["title"], page["message"], language=""))
    return ours


def _json(value: Any) -> bytes:
    return b"" if value is None else orjson.dumps(value)


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
