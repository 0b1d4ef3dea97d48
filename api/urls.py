"""Destinations: checked, and brought into a form that can go into a `Location` header as it is. Pure."""

import ipaddress
import re
from typing import Final
from urllib.parse import quote

import idna

MAX_URL_BYTES: Final = 4096

_SHAPE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)\Z", re.DOTALL)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{0,5}))?\Z")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_NUMERIC_LABEL = re.compile(r"[0-9]+\Z|0x[0-9a-f]*\Z")
# Control characters, any white space, the backslash that browsers read as a slash, halves of surrogate pairs.
_UNFIT = re.compile(r"[\x00-\x20\x7f-\x9f\s\\\ud800-\udfff]")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Printable ASCII that every client sends as it stands; all else is percent-encoded.
_KEPT = "%!#$&'()*+,-./:;=?@[]_~"


def normalise_url(text: str) -> str:
    """The URL in ASCII: host in lower case and punycode, the rest percent-encoded where it must be.

    At most `MAX_URL_BYTES` long, `http` or `https`, with a host and without credentials. Raises `ValueError`
    whose text says what to change.
    """
    if len(text) > MAX_URL_BYTES:
        raise ValueError(f"The URL is {len(text):,} characters long; at most {MAX_URL_BYTES:,} are accepted")
    if _UNFIT.search(text):
        raise ValueError(
            "Spaces, backslashes and control characters can't stand in a URL; percent-encode them"
        )
    shape = _SHAPE.match(text)
    if shape is None or shape["scheme"].lower() not in _DEFAULT_PORTS:
        raise ValueError("The URL begins with http:// or https://, followed by a host")
    if "@" in shape["authority"]:
        raise ValueError("User names and passwords can't stand in the URL; leave out what is before the @")
    scheme = shape["scheme"].lower()
    url = f"{scheme}://{_normalise_authority(shape['authority'])}{_encode(shape['rest'])}"
    if len(url) > MAX_URL_BYTES:
        raise ValueError(
            f"Percent-encoded, the URL is {len(url):,} bytes long; at most {MAX_URL_BYTES:,} are"
        )
    return url


def normalise_domain(text: str) -> str:
    """`host` or `host:port` in lower case and punycode, without a web port. Raises `ValueError`."""
    if _UNFIT.search(text) or re.search(r"[/?#@]", text):
        raise ValueError("A domain is a host name with an optional port, such as s.example.com")
    domain = _normalise_authority(text)
    return domain.removesuffix(":443").removesuffix(":80").rstrip(".")


def written_domain(text: str) -> str:
    """A domain as somebody writes it, in the form in which it is configured; lower case where it is none."""
    try:
        return normalise_domain(text)
    except ValueError:
        return text.lower()


def points_to(url: str, domain: str) -> bool:
    """Whether a normalised URL leads to this domain (`host[:port]`) itself, which would be a loop.

    A loopback domain is reached by any loopback name.
    """
    scheme, _, rest = url.partition("://")
    host, port = _split_port(re.split(r"[/?#]", rest, maxsplit=1)[0])
    domain_host, domain_port = _split_port(domain)
    ports = {domain_port} if domain_port else set(_DEFAULT_PORTS.values())
    same_host = host == domain_host or (is_loopback(host) and is_loopback(domain_host))
    return same_host and (port or _DEFAULT_PORTS[scheme]) in ports


def is_loopback(host: str) -> bool:
    """Whether this host (without port) is `localhost` or a loopback address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def short_url(domain: str, suffix: str, code: str) -> str:
    """The URL of a code: https, save on loopback domains."""
    scheme = "http" if is_loopback(_split_port(domain)[0]) else "https"
    return f"{scheme}://{domain}/{suffix}/{code}" if suffix else f"{scheme}://{domain}/{code}"


def _split_port(authority: str) -> tuple[str, int | None]:
    match = _AUTHORITY.match(authority)
    if match is None:
        return authority, None
    return match["host"].rstrip("."), int(match["port"]) if match["port"] else None


def _normalise_authority(authority: str) -> str:
    match = _AUTHORITY.match(authority)
    if match is None or not match["host"]:
        raise ValueError("The URL has no valid host, such as www.example.com")
    port = match["port"]
    if port and not 1 <= int(port) <= 65535:
        raise ValueError("The URL's port is between 1 and 65535")
    host = _normalise_host(match["host"])
    return f"{host}:{int(port)}" if port else host


def _normalise_host(host: str) -> str:
    if host.startswith("["):
        try:
            address = ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise ValueError("The address in [ ] is not an IPv6 address") from None
        if address.scope_id is not None:
            raise ValueError("The address in [ ] has a zone, which one machine alone knows; leave out the %")
        return f"[{address.compressed}]"
    name = _to_ascii(host)
    labels = name.removesuffix(".").split(".")
    if _NUMERIC_LABEL.match(labels[-1]):  # browsers read such a host as an IPv4 address in odd notation
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise ValueError("The URL's host is neither a name nor a plain IPv4 address") from None
    if len(name) > 253 or not all(_LABEL.match(label) for label in labels):
        raise ValueError("The URL's host is not a valid name")
    return name


def _to_ascii(host: str) -> str:
    try:
        if not host.isascii():
            return idna.encode(host, uts46=True).decode("ascii")
        name = host.lower()
        for label in name.split("."):
            if label.startswith("xn--"):  # no browser opens one that stands for nothing
                label.removeprefix("xn--").encode("ascii").decode("punycode")
    except UnicodeError:
        raise ValueError("The URL's host is not a valid internationalised name") from None
    return name


def _encode(rest: str) -> str:
    return quote(_BARE_PERCENT.sub("%25", rest), safe=_KEPT)
