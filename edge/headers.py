"""Request headers, read into what the edge needs of them. Pure functions."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from edge.click_json import header_fields
from edge.clicks import SIGNAL_HEADERS
from edge.domains import Domains
from edge.request import RequestHeaders
from edge.routing import platform_of

FORWARDED_FOR: Final = b"x-forwarded-for"
# The names of all headers that an answer or a click depends on, save the client's address.
TELLING: Final = (
    b"host",
    b"user-agent",
    b"referer",
    b"accept-language",
    *(name.encode() for name in SIGNAL_HEADERS),
)
MAX_FIELDS: Final = 100
_BLOCK: Final = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*+:[ \t]*+[\x21-\x7e][\t\x20-\x7e]*+\r\n)+\r\n")
_LINE: Final = re.compile(rb"[ \t]*+([\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)[ \t]*\r\n")
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


def split_plain_block(block: bytes) -> dict[bytes, bytes] | None:
    """Values by lower-case name from all that follows the request line, the empty line included.

    None unless plain: visible ASCII, no name twice, a `Host`, nothing of `_NOT_PLAIN`, no `Connection` but
    keep-alive.
    """
    if _BLOCK.fullmatch(block) is None:
        return None
    lines = block[: -len(b"\r\n\r\n")].split(b"\r\n")
    values = {}
    for line in lines:
        name, _, value = line.partition(b":")
        values[name.lower()] = value.strip(b" \t")
    if len(values) != len(lines) or len(lines) > MAX_FIELDS or b"host" not in values:
        return None
    if not _NOT_PLAIN.isdisjoint(values) or values.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    return values


def cut_forwarded_for(block: bytes) -> tuple[bytes, bytes] | None:
    """All but the `X-Forwarded-For` line of a block, and that line's value; None where there is no such line.

    A block is plain if what is left of it is, and has less than `MAX_FIELDS` fields and no such line: the
    line is a whole plain one, and stands before the block's end.
    """
    begin = block.rfind(b"\nX-Forwarded-For:") + 1 or block.rfind(b"\nx-forwarded-for:") + 1
    if not begin:
        return None
    line = _LINE.match(block, begin + len(b"X-Forwarded-For:"))
    if line is None or line.end() == len(block):
        return None
    return block[:begin] + block[line.end() :], line[1]


def join_fields(fields: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Values by lower-case name, of fields as they came.

    Of a repeated field the first counts, save `X-Forwarded-For`, which is one list over all its lines.
    """
    values: dict[bytes, bytes] = {}
    for raw_name, value in fields:
        name = raw_name.lower()
        if name == FORWARDED_FOR and name in values:
            values[name] += b"," + value
        else:
            values.setdefault(name, value)
    return values


def read_headers(values: Mapping[bytes, bytes], domains: Domains) -> RequestHeaders:
    """What the edge needs of the values of `TELLING`; invalid UTF-8 is replaced."""
    texts = {name.decode(): values[name].decode("utf-8", "replace") for name in TELLING if name in values}
    domain = domains.find(values.get(b"host", b""))
    return RequestHeaders(
        domain=domain,
        platform=platform_of(texts.get("user-agent", ""), texts.get("sec-ch-ua-platform", "")),
        click_fields=header_fields(domain.name if domain else "", texts),
    )
