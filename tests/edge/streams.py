"""Streams of plain, odd and broken requests, for hypothesis to draw from."""

import itertools

from hypothesis import strategies as st

PLAIN = b"GET /Penhgyab HTTP/1.1\r\nHost: localhost\r\n\r\n"

TARGETS = (
    b"/Penhgyab",
    b"/Penhgyab",
    b"/recip123",
    b"/cisco/gone1234",
    b"/gone1234",
    b"/unknown1",
    b"/",
    b"/abc",
    b"/abcdefghijklm",
    b"/Spring-Sale_26",
    b"/_Penhgyab",
    b"/Penhgyab-",
    b"/" + b"x" * 50,
    b"/" + b"x" * 51,
    b"/Penhgyab?a=1&b=%41",
    b"/Penhgyab?",
    b'/Penhgyab?a="<>',
    b"/Penhgyab?\xff",
    b"/Penhgyab#x",
    b"/Penhgyab?a#b",
    b"/%50enhgyab",
    b"/Penhgyab%00",
    b"//evil.example.com",
    b"/\\evil",
    b"/..%2f",
    b"/a/b/c/d/Penhgyab",
    b"/a/b/c/d/e/Penhgyab",
    b"/Penhgyab/",
    b"http://localhost/Penhgyab",
    b"localhost:80",
    b"*",
    b"",
    b"/Penhgyab /x",
    b"/Penhgyab\x00",
    b"/\xc0\xafPenhgyab",
    b"/" + b"a" * 9000,
)
targets = st.sampled_from(TARGETS)
methods = st.sampled_from(
    [b"GET"] * 6 + [b"HEAD", b"POST", b"get", b"GETS", b"OPTIONS", b"CONNECT", b"\x00GET", b" GET"]
)
versions = st.sampled_from(
    [b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.1 ", b"http/1.1", b"HTTP/1.10", b""]
)
fields = st.sampled_from(
    [
        b"User-Agent: Mozilla/5.0 (iPhone)",
        b"user-agent: curl",
        b"Accept-Language: de",
        b"Accept: */*",
        b"Cookie: a=b",
        b"X-Forwarded-For: 203.0.113.7",
        b"X-Forwarded-For:10.0.0.1,\t10.0.0.2",
        b"Connection: keep-alive",
        b"Connection: Keep-Alive",
        b"Connection: close",
        b"Connection: upgrade",
        b"Upgrade: websocket",
        b"Proxy-Connection: close",
        b"Keep-Alive: 5",
        b"Content-Length: 0",
        b"Content-Length: 3",
        b"Content-Length: +3",
        b"Content-Length: 3, 3",
        b"Content-Length: -1",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Expect: 100-continue",
        b"Host: localhost",
        b"Host: other.example.com",
        b"Host : localhost",
        b"Host:",
        b"Referer: caf\xe9",
        b"Empty:",
        b"Blank:   ",
        b"Trailing: a \t",
        b"NUL: a\x00b",
        b"Bare: a\nb",
        b"Return: a\rb",
        b"Fold: a\r\n b",
        b" Leading: a",
        b"No colon",
        b"Sp ace: a",
        b"Odd@Name: a",
        b"Under_score: a",
        b"Big: " + b"b" * 9000,
        b'Sec-CH-UA-Platform: "Android"',
        b"Content-Encoding: gzip",
        b"TE: trailers",
        b"Trailer: x",
        b"HTTP2-Settings: AAA",
        b"Sec-WebSocket-Key1: x",
        b"Range: bytes=0-1",
    ]
)
bodies = st.sampled_from(
    [b""] * 6 + [b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"0\r\n\r\n", b"\r\n", PLAIN, b"GET /recip123"]
)
ends = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, well-formed or not."""
    end = draw(ends)
    lines = [b" ".join((draw(methods), draw(targets), draw(versions)))]
    if draw(st.integers(0, 9)):
        lines.append(b"Host: localhost")
    lines += draw(st.lists(fields, max_size=3))
    return end.join((*lines, b"", draw(bodies)))


@st.composite
def packets(draw: st.DrawFn) -> list[bytes]:
    """A stream of requests, cut anywhere."""
    stream = b"".join(draw(st.lists(st.one_of(st.just(PLAIN), requests()), min_size=1, max_size=4)))
    cuts = sorted({0, len(stream), *draw(st.lists(st.integers(0, len(stream)), max_size=3))})
    return [stream[start:end] for start, end in itertools.pairwise(cuts)]


@st.composite
def nearly_plain(draw: st.DrawFn) -> list[bytes]:
    """Plain requests with headers that come again and again, some with a byte changed, lost or too many."""
    pieces = []
    for _ in range(draw(st.integers(1, 4))):
        lines = [b"GET %b HTTP/1.1" % draw(targets), b"Host: localhost", *draw(st.lists(fields, max_size=1))]
        plain = b"\r\n".join((*lines, b"", b""))
        at, byte = draw(st.integers(0, len(plain) - 1)), bytes((draw(st.integers(0, 255)),))
        changed = (
            plain[:at] + byte + plain[at + 1 :],
            plain[:at] + plain[at + 1 :],
            plain[:at] + byte + plain[at:],
        )
        pieces.append(draw(st.sampled_from((plain, plain, *changed))))
    return pieces
