"""What must hold for any bytes: each reader of requests beside aiohttp's parser or a naive second reading.

A target takes the input and raises `AssertionError` (or anything else) where it does not hold.
"""

import asyncio
import ipaddress
import string
from collections.abc import Callable
from typing import Any

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser
from aiohttp.http_writer import HttpVersion11

from edge.address import client_address, to_ranges
from edge.domains import Domains
from edge.headers import join_fields, read_headers, split_plain_block
from edge.lane import _REQUEST_LINE, MAX_HEAD_BYTES
from edge.links import EdgeLink
from edge.request import parse_target
from edge.routing import append_query, decide, fits_location
from edge.track_servlet import PATH, tracked_url

_LETTERS = (string.ascii_letters + string.digits).encode()
_SEGMENT = _LETTERS + b"_-"
_TRUSTED_TEXT = ("10.0.0.0/8", "fd00::/8")
_TRUSTED = tuple(map(ipaddress.ip_network, _TRUSTED_TEXT))
_RANGES = to_ranges(_TRUSTED)
_LINK = EdgeLink(1, "t", "Penhgyab", "", b"https://e.com/?x=1#f", forward_query=True)
_LOOP = asyncio.new_event_loop()


def _parse(request: bytes) -> list[Any]:
    """The requests that aiohttp's parser finds, as (message, payload); bytes left over count as another."""
    parser = HttpRequestParser(BaseProtocol(_LOOP), _LOOP, 2**16)
    messages, upgraded, tail = parser.feed_data(request)
    return [*messages, *([tail] if upgraded or tail else [])]


def plain_request(data: bytes) -> None:
    """What the lane takes, aiohttp finds to be that one request, kept alive and without a body."""
    line = _REQUEST_LINE.match(data)
    if line is None or len(data) > MAX_HEAD_BYTES:
        return
    values = split_plain_block(data[line.end() :])
    if values is None:
        return
    [(message, payload)] = _parse(data)
    assert (message.method, message.version) == ("GET", HttpVersion11)
    assert parse_target(message.path.encode()) == line.groups(b"")
    assert values == join_fields(message.raw_headers)
    assert len(values) == len(message.raw_headers)
    flags = (message.should_close, message.upgrade, message.chunked, message.compression)
    assert not any(flags)
    assert payload.is_eof()


def plain_block(data: bytes) -> None:
    """The same of headers alone, so that the fuzzer needs not find a request line first."""
    plain_request(b"GET /Penhgyab HTTP/1.1\r\n" + data)
    plain_request(b"GET /Penhgyab HTTP/1.1\r\nHost: localhost\r\n" + data + b"\r\n\r\n")


def target(data: bytes) -> None:
    """A code is found where a reading by hand finds one, and nowhere else."""
    assert parse_target(data) == _target_by_hand(data)


def _target_by_hand(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    path, mark, query = data.partition(b"?")
    *suffix, code = path.split(b"/")[1:] or [b""]
    if not path.startswith(b"/") or len(suffix) > 4 or (mark and b"#" in query):
        return None
    for segment in suffix:
        if not 1 <= len(segment) <= 32 or segment[0] not in _LETTERS or segment.strip(_SEGMENT):
            return None
    if not 1 <= len(code) <= 50 or code.strip(_SEGMENT):
        return None
    return b"".join(segment + b"/" for segment in suffix), code, query


def address(data: bytes) -> None:
    """The client's address is the one that a reading by `ipaddress` gives."""
    peer, _, forwarded_for = data.decode("latin-1").partition("\n")
    for each in (peer, "10.0.0.1", "fd00::1"):
        assert client_address(each, forwarded_for, _RANGES) == _address_by_hand(each, forwarded_for)


def _address_by_hand(peer: str, forwarded_for: str) -> str:
    found = _ip(peer.partition("%")[0])
    if found is None:
        return ""
    for entry in reversed(forwarded_for.split(",")):
        if not any(found in network for network in _TRUSTED):
            break
        claimed = _ip(entry.strip(" \t"))
        if claimed is None:
            break
        found = claimed
    mapped = isinstance(found, ipaddress.IPv6Address) and (int(found) >> 32) == 0 and int(found) >= 2**16
    return f"::{ipaddress.IPv4Address(int(found))}" if mapped else str(found)  # as inet_ntop writes it


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if "%" in text:
        return None
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def headers(data: bytes) -> None:
    """Whatever headers hold, they become a part of a click that is one line of UTF-8."""
    values = join_fields(tuple(line.partition(b":")[::2]) for line in data.split(b"\n"))
    read = read_headers(values, Domains("localhost"))
    assert b"\n" not in read.click_fields
    read.click_fields.decode()


def query(data: bytes) -> None:
    """Whatever is forwarded, by whatever way it came, fits a `Location`."""
    assert fits_location(append_query(b"https://e.com/", data))
    assert fits_location(decide(_LINK, None, data, 0).destination)
    tracked = tracked_url(PATH + b"?" + data)
    parts = None if tracked is None else parse_target(tracked[1])
    if parts is not None:
        assert fits_location(decide(_LINK, None, parts[2], 0).destination)


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (plain_request, plain_block, target, address, headers, query)
}

SEEDS: dict[str, tuple[bytes, ...]] = {
    "plain_request": (
        b"GET /Penhgyab?a=1 HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\nAccept: */*\r\n\r\n",
    ),
    "plain_block": (
        b"Host: localhost\r\nUser-Agent: a\r\nX-Forwarded-For:10.0.0.1,\t10.0.0.2\r\n\r\n",
        b"A: b",
    ),
    "target": (b"/Penhgyab", b"/cisco/de-1/Penhgyab?a=1", b"//evil.example.com", b"/a/b/c/d/e/Penhgyab#x"),
    "address": (b"10.0.0.1\n198.51.100.1, 10.0.0.2", b"::ffff:10.0.0.1\n2001:db8::1", b"fe80::1%eth0\n"),
    "headers": (b"Host: localhost\nUser-Agent: Mozilla/5.0 (iPhone)\nReferer: \xff\nSec-Purpose: prefetch",),
    "query": (b"a=1&b=%20", b"p=https://localhost/Penhgyab?a=%0d%0a", b'"<>\\^`{|}\r\n#f'),
}
