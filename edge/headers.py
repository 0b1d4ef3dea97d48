"""Request headers, read once into what the edge needs of them. Pure functions."""

import re
from collections.abc import Iterable
from typing import Final

from edge.click_json import header_fields
from edge.domains import Domains
from edge.request import RequestHeaders
from edge.routing import platform_of

MAX_FIELDS: Final = 100
_FIELD: Final = re.compile(rb"([A-Za-z][A-Za-z0-9-]*+):[ \t]*+([\x21-\x7e][\t\x20-\x7e]*+)\r\n")
_BLOCK: Final = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*+:[ \t]*+[\x21-\x7e][\t\x20-\x7e]*+\r\n)++\r\n")
# Names that change how a request is framed, answered or continued.
_NOT_PLAIN: Final = frozenset(
    (
        b"content-length",
        b"content-encoding",
        b"transfer-encoding",
        b"trailer",
        b"te",
        b"expect",
        b"upgrade",
        b"http2-settings",
        b"proxy-connection",
        b"sec-websocket-key1",
    )
)


def read_plain_block(block: bytes, domains: Domains) -> RequestHeaders | None:
    """Read what stands between the request line and the empty line, that one included; None unless plain.

    Plain is: visible ASCII, no name twice, a `Host`, nothing of `_NOT_PLAIN`, no `Connection` but keep-alive.
    """
    if _BLOCK.fullmatch(block) is None:
        return None
    fields = [(name, value.rstrip(b" \t")) for name, value in _FIELD.findall(block)]
    values = {name.lower(): value for name, value in fields}
    if len(values) != len(fields) or len(fields) > MAX_FIELDS or b"host" not in values:
        return None
    if not _NOT_PLAIN.isdisjoint(values) or values.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    return read_headers(fields, domains)


def read_headers(fields: Iterable[tuple[bytes, bytes]], domains: Domains) -> RequestHeaders:
    """Read header fields as they came, values stripped.

    Of a repeated field the first counts, save `X-Forwarded-For`, which is one list over all its lines.
    """
    values: dict[str, str] = {}
    host = b""
    for raw_name, raw_value in fields:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("utf-8", "replace")
        if name == "host":
            host = host or raw_value
        elif name == "x-forwarded-for" and name in values:
            values[name] += "," + value
        else:
            values.setdefault(name, value)
    domain = domains.find(host)
    return RequestHeaders(
        domain=domain,
        platform=platform_of(values.get("user-agent", ""), values.get("sec-ch-ua-platform", "")),
        forwarded_for=values.get("x-forwarded-for", ""),
        click_fields=header_fields(domain.name if domain else "", values),
    )
