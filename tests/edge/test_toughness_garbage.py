"""Smuggling and garbage, a table: refused or closed, never a 5xx, never a click; also cut at every byte.

`tests/edge/test_smuggling.py` sends the classic ones over sockets; here each goes to the lane and to aiohttp
alone, whole and in two pieces, and both must refuse it alike.
"""

import re

import pytest

from tests.edge.test_lane import Both, both  # noqa: F401 - a fixture is used by its name

REFUSALS = {400, 404, 405, 414, 417, 431}
HIDDEN = b"GET /Penhgyab HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED_HIDDEN = b"0\r\n\r\n" + HIDDEN


def request(
    *fields: bytes,
    line: bytes = b"GET /Penhgyab HTTP/1.1",
    host: bytes = b"Host: localhost",
    body: bytes = b"",
) -> bytes:
    return b"\r\n".join((line, host, *fields, b"", body))


LENGTHS = {
    f"length {value!r}": request(b"Content-Length: " + value, body=HIDDEN)
    for value in (
        b"+1",
        b"-1",
        b"0x1",
        b"1e1",
        b"1_0",
        b"1, 1",
        b"1;1",
        b"1 1",
        b"\xd9\xa3",
        b"9" * 40,
        b"",
        b"a",
    )
}
ENCODINGS = {
    f"encoding {value!r}": request(b"Transfer-Encoding: " + value, body=CHUNKED_HIDDEN)
    for value in (
        b"xchunked",
        b"chunked, identity",
        b"identity",
        b"chunked;q=1",
        b"\x0bchunked",
        b"chunked\x00",
        b"gzip, chunked, gzip",
        b"",
    )
}
FIELDS = {
    "length twice, the same": request(b"Content-Length: 1", b"Content-Length: 1", body=HIDDEN),
    "length twice, different": request(b"Content-Length: 0", b"Content-Length: 44", body=HIDDEN),
    "length and encoding": request(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=CHUNKED_HIDDEN),
    "encoding and length": request(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=CHUNKED_HIDDEN),
    "encoding twice": request(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x", body=CHUNKED_HIDDEN),
    "space before the colon": request(b"Transfer-Encoding : chunked", body=CHUNKED_HIDDEN),
    "tab before the colon": request(b"Transfer-Encoding\t: chunked", body=CHUNKED_HIDDEN),
    "folded": request(b"Transfer-Encoding:\r\n chunked", body=CHUNKED_HIDDEN),
    "folded length": request(b"Content-Length:\r\n\t44", body=HIDDEN),
    "bare LF": request(b"A: b\nContent-Length: 44", body=HIDDEN),
    "bare CR": request(b"A: b\rContent-Length: 44", body=HIDDEN),
    "NUL in a value": request(b"A: \x00"),
    "NUL in a name": request(b"A\x00: b"),
    "control byte in a name": request(b"A\x01: b"),
    "no name": request(b": b"),
    "no colon": request(b"A"),
    "8-bit name": request(b"\xe9: b"),
    "two hosts": request(b"Host: other.example.com"),
    "the same host twice": request(b"Host: localhost"),
    "list of hosts": request(host=b"Host: localhost, localhost"),
    "host with a user": request(host=b"Host: other@localhost"),
    "host with a path": request(host=b"Host: localhost/Penhgyab"),
    "host with a NUL": request(host=b"Host: localhost\x00"),
    "200 fields": request(*(b"A%d: b" % number for number in range(200))),
    "user agent of 100 KB": request(b"User-Agent: " + b"a" * 100_000),
    "name of 10 KB": request(b"a" * 10_000 + b": b"),
}
LINES = {
    repr(line)[:60]: request(line=line)
    for line in (
        b"GET http://localhost/Penhgyab HTTP/1.1",
        b"GET http://other.example.com/Penhgyab HTTP/1.1",
        b"GET localhost:80 HTTP/1.1",
        b"CONNECT localhost:80 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET /Penhgyab HTTP/2.0",
        b"GET /Penhgyab HTTP/0.9",
        b"GET /Penhgyab HTTP/1.10",
        b"GET /Penhgyab HTTP/11.1",
        b"GET /Penhgyab http/1.1",
        b"GET /Penhgyab HTTP/1.1 x",
        b"GET /Penhgyab",
        b"GET\t/Penhgyab HTTP/1.1",
        b"\x00GET /Penhgyab HTTP/1.1",
        b"get /Penhgyab HTTP/1.1",
        b"GET //Penhgyab HTTP/1.1",
        b"GET //evil.example.com/Penhgyab HTTP/1.1",
        b"GET /\\Penhgyab HTTP/1.1",
        b"GET \\Penhgyab HTTP/1.1",
        b"GET /%2e%2e/Penhgyab HTTP/1.1",
        b"GET /../Penhgyab HTTP/1.1",
        b"GET /./Penhgyab HTTP/1.1",
        b"GET /%50enhgyab HTTP/1.1",
        b"GET /Penhgyab%00 HTTP/1.1",
        b"GET /Penhgyab\x00 HTTP/1.1",
        b"GET /Penhgyab\x7f HTTP/1.1",
        b"GET /Penhgyab%0d%0aX HTTP/1.1",
        b"GET /\xc0\xafPenhgyab HTTP/1.1",
        b"GET /%c0%afPenhgyab HTTP/1.1",
        b"GET /%u0050enhgyab HTTP/1.1",
        b"GET /Penhgyab/ HTTP/1.1",
        b"GET /Penhgyab; HTTP/1.1",
        b"GET /Penhgyab,Penhgyab HTTP/1.1",
        b"GET /" + b"P" * 8_192 + b" HTTP/1.1",
        b"GET /" + b"a/" * 4_000 + b"Penhgyab HTTP/1.1",
    )
}
ATTACKS = LENGTHS | ENCODINGS | FIELDS | LINES
CUT_EVERYWHERE = (
    "length and encoding",
    "length twice, different",
    "encoding b'xchunked'",
    "space before the colon",
    "folded",
    "bare LF",
    "two hosts",
    "b'GET //evil.example.com/Penhgyab HTTP/1.1'",
)


def refused(both: Both, pieces: list[bytes]) -> set[int]:  # noqa: F811 - not the fixture, but what it gives
    """The statuses, all of them refusals, that both sides answered; neither recorded a click."""
    clicks = both.lane.counted()["clicks"]
    answered, _ = both.agree(pieces)
    statuses = {int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answered)}
    assert statuses <= REFUSALS, (pieces, answered)
    assert both.lane.counted()["clicks"] == clicks, pieces
    return statuses


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_refused(both: Both, name: str) -> None:  # noqa: F811 - the fixture
    refused(both, [ATTACKS[name]])


def test_cut_anywhere_it_is_refused_all_the_same(both: Both) -> None:  # noqa: F811 - the fixture
    for name in CUT_EVERYWHERE:
        attack = ATTACKS[name]
        whole = refused(both, [attack])
        for at in range(1, len(attack)):
            assert refused(both, [attack[:at], attack[at:]]) == whole, (name, at)


def test_byte_by_byte_it_is_refused_all_the_same(both: Both) -> None:  # noqa: F811 - the fixture
    for name in CUT_EVERYWHERE:
        refused(both, [ATTACKS[name][at : at + 1] for at in range(len(ATTACKS[name]))])
