"""What a request tells is in its click, and decides its route: whatever bytes, by the lane as by aiohttp."""

import asyncio
from pathlib import Path

import pytest

from edge.contract import SIGNAL_HEADERS, EdgeLink, Settings, serve_edge
from tests.edge.conftest import DESTINATION, Edge, running_edge
from tests.edge.test_proxies import click_by, has_ipv6
from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer

LINUX = "Mozilla/5.0 (X11; Linux x86_64) Chrome/138.0.0.0"
FIELDS = {"User-Agent": "ua", "Referer": "referer", "Accept-Language": "language"}
ODD = {
    b'"\\/\\u0041"{}': '"\\/\\u0041"{}',
    b"a\tb": "a\tb",
    "grüße €".encode(): "grüße €",
    "\U0001f9ff".encode(): "\U0001f9ff",
    b"caf\xe9": "caf\ufffd",
    b"\xed\xa0\x80x": "\ufffd\ufffd\ufffdx",  # half a surrogate
    b"\xf0\x9f\xa7": "\ufffd",
    b"\xc0\x80": "\ufffd\ufffd",
    b"%d %s %b {0}": "%d %s %b {0}",
    b"a" * 3_000: "a" * 2_048,
    ("\U0001f9ff" * 1_500 + "b" * 1_000).encode(): "\U0001f9ff" * 1_500 + "b" * 548,
}


async def send_both_ways(edge: Edge, target: bytes, *lines: bytes) -> list[bytes]:
    """The raw answers to a request that the lane takes if it can, and to one that it leaves to aiohttp."""
    head = b"\r\n".join((b"GET " + target + b" HTTP/1.1", b"Host: localhost", *lines))
    sent = head + b"\r\n\r\n", head + b"\r\nTE: trailers\r\n\r\n"
    return [(await edge.send(each, replies=1))[0].raw for each in sent]


@pytest.mark.parametrize("value", ODD, ids=repr)
async def test_any_value_is_told_as_it_came(edge: Edge, value: bytes) -> None:
    await edge.put(1, "own12345")
    await send_both_ways(edge, b"/own12345", *(b"%b: %b" % (name.encode(), value) for name in FIELDS))
    lines = (b"%b: %b" % (name.encode(), value) for name in SIGNAL_HEADERS[:3])
    await send_both_ways(edge, b"/own12345", *lines)
    told = [{click[name] for name in FIELDS.values()} for click in edge.clicks()]
    assert told == [{ODD[value]}] * 2 + [{""}] * 2
    signals = [click["signals"] for click in edge.clicks()]
    assert signals == [{}] * 2 + [dict.fromkeys(SIGNAL_HEADERS[:3], ODD[value])] * 2


async def test_each_signal_is_told_and_nothing_else(edge: Edge) -> None:
    await edge.put(1, "own12345")
    lines = [f"{name.title()}: {number}".encode() for number, name in enumerate(SIGNAL_HEADERS)]
    await send_both_ways(edge, b"/own12345", *lines, b"Cookie: secret", b"Authorization: Bearer secret")
    for click in edge.clicks():
        assert click["signals"] == {name: str(number) for number, name in enumerate(SIGNAL_HEADERS)}
        assert "secret" not in str(click)


async def test_the_fields_are_in_the_order_that_ingest_reads_fast(edge: Edge) -> None:
    await edge.put(1, "own12345")
    for path in (b"/own12345", b"/unknown1"):
        await send_both_ways(edge, path, b"Sec-Purpose: prefetch")
    scalars = "v source seq ts code link tenant personal method route outcome ip"
    order = [*scalars.split(), "host", *FIELDS.values(), "signals"]
    assert [[*click] for click in edge.clicks()] == [order] * 4


async def test_of_a_repeated_header_the_first_counts(edge: Edge) -> None:
    await edge.put(1, "own12345")
    await send_both_ways(edge, b"/own12345", b"Sec-Purpose: first", b"Sec-Purpose: second")
    assert [click["signals"] for click in edge.clicks()] == [{"sec-purpose": "first"}] * 2


@pytest.mark.parametrize(
    ("lines", "route"),
    [
        ((f"User-Agent: {LINUX}", 'Sec-CH-UA-Platform: "Android"'), "android"),
        ((f"user-agent: {LINUX}", "sec-ch-ua-platform: iOS"), "ios"),
        ((f"User-Agent: {LINUX}", 'Sec-CH-UA-Platform: "Linux"'), "default"),
        (("User-Agent: Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X)",), "ios"),
        (("User-Agent: Mozilla/5.0 (Linux; Android 15)", 'Sec-CH-UA-Platform: "Windows"'), "android"),
        (('Sec-CH-UA-Platform: "Android"',), "android"),
        ((), "default"),
    ],
)
async def test_the_route_is_what_the_headers_tell(edge: Edge, lines: tuple[str, ...], route: str) -> None:
    link = EdgeLink(
        1, "t", "own12345", "", b"https://e.com/default", b"https://e.com/ios", b"https://e.com/android"
    )
    await edge.put(1, "own12345", link)
    answers = await send_both_ways(edge, b"/own12345", *(line.encode() for line in lines))
    assert all(b"\r\nLocation: https://e.com/%b\r\n" % route.encode() in answer for answer in answers)
    assert [click["route"] for click in edge.clicks()] == [route] * 2


@pytest.mark.parametrize(
    ("query", "forwarded"),
    [
        (b"", b""),
        (b"?", b""),
        (b"??", b"&?"),
        (b"?a?b=/c:@", b"&a?b=/c:@"),
        (b"?&&=", b"&&&="),
        (b"?a=%0d%0aX:%20y", b"&a=%0d%0aX:%20y"),
        (b"?a=%zz%", b"&a=%zz%"),
        (b"?a='()*+,;!$~._-", b"&a='()*+,;!$~._-"),
        (b'?a="<>\\^`{|}', b"&a=%22%3C%3E%5C%5E%60%7B%7C%7D"),
        (b"?a=[b]", b"&a=%5Bb%5D"),
        (b"?" + b"a" * 7_000, b"&" + b"a" * 7_000),
    ],
)
async def test_the_query_goes_along_where_the_link_says_so(
    edge: Edge, query: bytes, forwarded: bytes
) -> None:
    forwarding = EdgeLink(1, "t", "own12345", "", b"https://e.com/?x=1#f", ios=b"app://i", forward_query=True)
    await edge.put(1, "own12345", forwarding)
    await edge.put(2, "plain123")
    answers = await send_both_ways(edge, b"/own12345" + query)
    assert all(b"\r\nLocation: https://e.com/?x=1%b#f\r\n" % forwarded in answer for answer in answers)
    on_ios = await send_both_ways(edge, b"/own12345" + query, b"User-Agent: iPhone")
    assert all(
        b"\r\nLocation: app://i%b\r\n" % forwarded.replace(b"&", b"?", 1) in answer for answer in on_ios
    )
    others = await send_both_ways(edge, b"/plain123" + query)
    assert all(b"\r\nLocation: %b\r\n" % DESTINATION in answer for answer in others)
    bare = await send_both_ways(edge, b"/own12345")
    assert all(b"\r\nLocation: https://e.com/?x=1#f\r\n" in answer for answer in bare), "and is not kept"


async def test_queries_at_once_for_one_code_are_each_ones_own(edge: Edge) -> None:
    await edge.put(1, "own12345", EdgeLink(1, "t", "own12345", "", b"https://e.com/", forward_query=True))
    for _ in range(2):  # not cached, then cached
        replies = await asyncio.gather(*(edge.get(f"/own12345?q={number}") for number in range(50)))
        assert [reply.location for reply in replies] == [f"https://e.com/?q={number}" for number in range(50)]


async def test_an_ipv6_peer_is_the_client(redis_server: RedisServer, tmp_path: Path) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback address")
    async with running_edge(redis_server.url, redis_server.url, tmp_path / "v4") as edge:
        await edge.put(1, "Penhgyab")
    settings = Settings(
        _env_file=None, redis_url=redis_server.url, data_dir=tmp_path / "v6", trusted_proxies="::1"
    )
    port, stop, ready = free_port(), asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(
        serve_edge(
            settings, host="::1", port=port, stop=stop, on_readiness=lambda reason: reason or ready.set()
        )
    )
    await ready.wait()
    for forwarded in ({}, {"X_Forwarded_For": "2001:DB8:0::7"}, {"X_Forwarded_For": "::ffff:203.0.113.7"}):
        assert await asyncio.to_thread(click_by, "::1", port, **forwarded) == 302
    stop.set()
    await serving
    clicks = Edge(port, edge.store, settings.spool_dir).clicks()
    assert [click["ip"] for click in clicks] == ["::1", "2001:db8::7", "203.0.113.7"]


PROXY_V2 = bytes.fromhex("0d0a0d0a000d0a515549540a 21 11 000c cb007107 7f000001 0050 0050")
PROXY_V1 = b"PROXY TCP4 203.0.113.7 127.0.0.1 80 80\r\n"


@pytest.mark.parametrize("preamble", [PROXY_V1, PROXY_V2], ids=["v1", "v2"])
async def test_the_proxy_protocol_is_refused_not_believed(edge: Edge, preamble: bytes) -> None:
    """A load balancer that speaks it is noticed at its first request: no address is taken from there."""
    await edge.put(1, "own12345")
    request = b"GET /own12345 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answered = await edge.send_until_closed(preamble + request, within_s=180)
    assert answered.split()[1] == b"400"
    assert edge.clicks() == []
