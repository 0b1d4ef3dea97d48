"""Requests made to confuse a server: refused or closed, never a 5xx, and never a click by what they hide."""

import re

import pytest

from tests.edge.conftest import Edge, until

HIDDEN = b"GET /own12345 HTTP/1.1\r\nHost: localhost\r\n\r\n"
REFUSALS = {400, 404, 405, 414, 417, 431}


def request(line: bytes = b"GET / HTTP/1.1", *fields: bytes, host: bytes = b"Host: localhost") -> bytes:
    return b"\r\n".join((line, host, *fields, b"", b""))


@pytest.mark.parametrize(
    "attack",
    [
        request(b"GET / HTTP/1.1", b"Content-Length: 9", b"Transfer-Encoding: chunked") + HIDDEN,
        request(b"POST / HTTP/1.1", b"Transfer-Encoding: xchunked") + HIDDEN,
        request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity") + HIDDEN,
        request(b"GET / HTTP/1.1", b"Content-Length: 0", b"Content-Length: %d" % len(HIDDEN)) + HIDDEN,
        request(b"GET / HTTP/1.1", b"Content-Length: %d" % len(HIDDEN)) + HIDDEN,
        request(b"GET /own12345 HTTP/1.1", b"Content-Length: +1") + HIDDEN,
        request(b"GET /own12345 HTTP/1.1", b"Content-Length: 0x1") + HIDDEN,
        request(b"GET /own12345 HTTP/1.1", b"Host: other.example.com"),
        request(b"GET /own12345 HTTP/1.1", host=b"X: y"),
        request(b"GET /own12345 HTTP/1.1", host=b"Host : localhost"),
        request(b"GET /own12345 HTTP/1.1", b"Fold: a\r\n b"),
        request(b"GET /own12345 HTTP/1.1", b"Nul: \x00"),
        request(b"GET /own12345 HTTP/1.1", b"Bare: a\nGET /own12345 HTTP/1.1"),
        request(b"GET http://localhost/own12345 HTTP/1.1"),
        request(b"CONNECT localhost:80 HTTP/1.1") + HIDDEN,
        request(b"GET /own12345 HTTP/2.0"),
        b"GET /own12345\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        request(b"GET //own12345 HTTP/1.1"),
        request(b"GET /\\own12345 HTTP/1.1"),
        request(b"GET /%2e%2e/own12345 HTTP/1.1"),
        request(b"GET /own12345%00 HTTP/1.1"),
        request(b"GET /\xc0\xafown12345 HTTP/1.1"),
        request(b"GET /" + b"a" * 8_192 + b" HTTP/1.1"),
        request(b"GET /own12345 HTTP/1.1", b"User-Agent: " + b"a" * 100_000),
        request(b"GET /own12345 HTTP/1.1", *(b"A: b" for _ in range(200))),
    ],
)  # fmt: skip
async def test_it_is_refused_and_no_click(edge: Edge, attack: bytes) -> None:
    await edge.put(1, "own12345")
    answered = await edge.send_until_closed(attack, within_s=0.3)
    statuses = {int(status) for status in re.findall(rb"HTTP/[0-9.]+ ([0-9]{3}) ", answered)}
    assert statuses <= REFUSALS, answered
    assert edge.clicks() == []


async def test_the_edge_serves_on_after_all_that(edge: Edge) -> None:
    await edge.put(1, "own12345")
    await edge.send_until_closed(b"\x00" * 100_000, within_s=0.3)
    assert (await edge.get("/own12345")).status == 302


async def test_ten_thousand_pipelined_requests_are_all_answered(edge: Edge) -> None:
    await edge.put(1, "own12345")
    replies = await edge.send(HIDDEN * 10_000, replies=10_000)
    assert {reply.status for reply in replies} == {302}
    assert len(edge.clicks()) == 10_000


async def test_one_byte_at_a_time(edge: Edge) -> None:
    await edge.put(1, "own12345")
    reader, writer = await edge.connect()
    for byte in HIDDEN:
        writer.write(bytes((byte,)))
        await writer.drain()
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 302")
    writer.close()
    await until(lambda: len(edge.clicks()) == 1)
