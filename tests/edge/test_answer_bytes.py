"""Each answer to the byte, by the lane and by aiohttp alike, dated by the clock; what ends a connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge import pages
from edge.answers import RenderedAnswers
from edge.contract import EdgeLink
from edge.misses import OF_ADDRESS
from edge.routing import TOO_MANY_MISSES
from tests.edge.conftest import DESTINATION, Edge, Reply, running_edge, until_async
from tests.edge.test_own_domains import DOMAIN, FILES, listens, put_domain, put_link
from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer

NOVEMBER_MS = 1_700_000_000_000
DATE = b"Tue, 14 Nov 2023 22:13:20 GMT"
PRIVATE = (b"Cache-Control: private, no-store", b"X-Robots-Tag: noindex")
HTML = b"Content-Type: text/html; charset=utf-8"


@dataclass(slots=True)
class Clock:
    """Unix time in ms, as a test sets it."""

    now_ms: int = NOVEMBER_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def edge(redis_server: RedisServer, tmp_path: Path, clock: Clock) -> AsyncIterator[Edge]:
    """An edge whose time is the test's."""
    async with running_edge(redis_server.url, redis_server.url, tmp_path, clock_ms=clock) as running:
        yield running


def answer(line: bytes, *fields: bytes, body: bytes = b"") -> bytes:
    """The answer that begins so, at `DATE`."""
    lines = (line, *fields, b"Content-Length: %d" % len(body), b"Date: " + DATE, b"Server: smartlinks")
    return b"\r\n".join((*lines, b"", body))


def found(location: bytes) -> bytes:
    return answer(b"HTTP/1.1 302 Found", b"Location: " + location, *PRIVATE)


def page(line: bytes, body: bytes, *fields: bytes) -> bytes:
    return answer(b"HTTP/1.1 " + line, *PRIVATE, HTML, *fields, body=body)


async def raw(edge: Edge, path: str, *, host: str = "localhost", method: str = "GET") -> bytes:
    """The answer's bytes: the lane's, which are aiohttp's as well, and HEAD's but for the body."""
    plain = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    unusual = plain.replace(b"\r\n\r\n", b"\r\nTE: trailers\r\n\r\n")
    [by_lane], [by_aiohttp] = await edge.send(plain, replies=1), await edge.send(unusual, replies=1)
    assert by_lane.raw == by_aiohttp.raw
    [head] = await edge.send(b"HEAD" + plain[len(method) :], replies=1)
    assert method != "GET" or head.raw == by_lane.raw.removesuffix(by_lane.body)
    return by_lane.raw


async def test_redirects(edge: Edge) -> None:
    link = EdgeLink(1, "tenant", "own12345", "", DESTINATION, ios=b"app://ios")
    await edge.put(1, "own12345", link, "Penhgyab")
    over = EdgeLink(
        2, "tenant", "over1234", "cisco", DESTINATION, expires_at_ms=1, expired_url=b"https://e.com/o"
    )
    await edge.put(2, "over1234", over)
    for path in ("/own12345", "/Penhgyab", "/Penhgyab?a=1"):
        assert await raw(edge, path) == found(DESTINATION)
    assert await raw(edge, "/cisco/over1234") == found(b"https://e.com/o")


async def test_pages(edge: Edge) -> None:
    await edge.put(1, "gone1234", EdgeLink(1, "tenant", "gone1234", "", DESTINATION, expires_at_ms=1))
    missing = page(b"404 Not Found", pages.NOT_FOUND_PAGE)
    for path in (
        "/unknown1",
        "/",
        "/favicon.ico",
        "/ump-sltrack/TrackServlet?p=x",
        FILES + "assetlinks.json",
    ):
        assert await raw(edge, path) == missing
        assert await raw(edge, path, host="stranger.example.com") == missing
    assert await raw(edge, "/gone1234") == page(b"410 Gone", pages.GONE_PAGE)


async def test_pages_and_files_of_a_domain(edge: Edge) -> None:
    own = {"title": "Nichts", "message": "hier"}
    document = {"applinks": {}}
    await put_domain(edge, not_found_page=own, expired_page=own, apple_app_site_association=document)
    await put_link(edge, 1, "Spring26", expires_at_ms=1)
    body = pages.render_page("Nichts", "hier", language="")
    assert await raw(edge, "/unknown1", host=DOMAIN) == page(b"404 Not Found", body)
    assert await raw(edge, "/Spring26", host=DOMAIN) == page(b"410 Gone", body)
    assert await raw(edge, FILES + "apple-app-site-association", host=DOMAIN) == answer(
        b"HTTP/1.1 200 OK",
        b"Cache-Control: public, max-age=300",
        b"Content-Type: application/json",
        body=json.dumps(document, separators=(",", ":")).encode(),
    )


async def test_without_redis(tmp_path: Path) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}"
    async with running_edge(nowhere, nowhere, tmp_path, await_ready=False, clock_ms=Clock()) as edge:
        await until_async(lambda: listens(edge))
        unavailable = page(b"503 Service Unavailable", pages.UNAVAILABLE_PAGE, b"Retry-After: 1")
        assert await raw(edge, "/Penhgyab") == unavailable
        assert await raw(edge, "/Penhgyab", host="perhaps.example.com") == unavailable


def test_too_many_misses() -> None:
    answers = RenderedAnswers()
    answers.turn_to(NOVEMBER_MS // 1_000)
    assert answers.render(TOO_MANY_MISSES) == page(
        b"429 Too Many Requests", pages.TOO_MANY_MISSES_PAGE, b"Retry-After: 10"
    )


@pytest.mark.parametrize(
    ("request_line", "refusal"),
    [
        (
            b"POST /own12345 HTTP/1.1",
            page(b"405 Method Not Allowed", pages.METHOD_NOT_ALLOWED_PAGE, b"Allow: GET, HEAD"),
        ),
        (b"GET /own12345 HTTP/1.2", page(b"400 Bad Request", pages.BAD_REQUEST_PAGE)),
        (b"\x00", page(b"400 Bad Request", pages.BAD_REQUEST_PAGE)),
    ],
)
async def test_refusals_are_the_last_word(edge: Edge, request_line: bytes, refusal: bytes) -> None:
    plain = b"GET /own12345 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    odd = request_line + plain[plain.index(b"\r\n") :]
    answered = await edge.send_until_closed(odd + plain, within_s=180)
    status_line, _, rest = answered.partition(b"\r\n")
    assert status_line.partition(b" ")[2] == refusal.partition(b"\r\n")[0].partition(b" ")[2]
    assert rest.replace(b"Connection: close\r\n", b"") == refusal.partition(b"\r\n")[2]
    assert edge.clicks() == []


async def test_every_date_is_the_clocks(edge: Edge, clock: Clock) -> None:
    await edge.put(1, "own12345")
    await put_domain(edge, assetlinks=[])
    for path, host in (
        ("/own12345", "localhost"),
        ("/unknown1", "localhost"),
        ("/", "localhost"),
        (FILES + "assetlinks.json", DOMAIN),
    ):
        for unusual in ("", "trailers"):
            clock.now_ms += 86_400_000 + 1_000
            reply = await edge.get(path, host=host, **({"TE": unusual} if unusual else {}))
            days, seconds = divmod((clock.now_ms - NOVEMBER_MS) // 1_000, 86_400)
            assert reply.headers["Date"].endswith(f"{14 + days:02} Nov 2023 22:13:{20 + seconds:02} GMT")
    clock.now_ms = NOVEMBER_MS
    refused = await edge.ask("POST", "/own12345", Content_Length="0")
    assert refused.headers["Date"] == DATE.decode()


async def test_a_held_answer_has_the_date_of_its_end(
    redis_server: RedisServer, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound in ("STEP_S", "MAX_DELAY_S"):
        monkeypatch.setattr(f"edge.misses.{bound}", 60.0)  # it ends when the edge does
    async with running_edge(redis_server.url, redis_server.url, tmp_path, clock_ms=clock) as edge:
        await asyncio.gather(*(edge.get("/unknown1") for _ in range(OF_ADDRESS.free)))
        reader, writer = await edge.connect()
        writer.write(b"GET /unknown1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await edge.put(1, "own12345")
        clock.now_ms += 5_000
        assert (await edge.get("/own12345")).status == 302
        clock.now_ms += 5_000
    reply = await Reply.read(reader)
    assert (reply.status, reply.headers["Date"]) == (404, DATE.decode().replace(":20 ", ":30 "))
    writer.close()


async def test_a_cached_link_expires_at_its_time_by_the_clock(edge: Edge, clock: Clock) -> None:
    live = EdgeLink(1, "tenant", "live1234", "", DESTINATION, expires_at_ms=NOVEMBER_MS + 1)
    await edge.put(1, "live1234", live)
    await edge.put(2, "over1234", replace(live, number=2, code="over1234", expired_url=b"https://e.com/o"))
    for path in ("/live1234", "/over1234"):
        assert await raw(edge, path) == found(DESTINATION)
    clock.now_ms += 1
    assert await raw(edge, "/live1234") == page(b"410 Gone", pages.GONE_PAGE)
    assert await raw(edge, "/over1234") == found(b"https://e.com/o")
    times = [click["ts"] for click in edge.hits()]
    assert times == [NOVEMBER_MS] * 6 + [NOVEMBER_MS + 1] * 6


BEHIND = b"GET /gone1234 HTTP/1.1\r\nHost: localhost\r\n\r\n"
PLAIN = b"GET /own12345 HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        PLAIN + b"\r\n",
        PLAIN + b"Connection: keep-alive\r\n\r\n",
        PLAIN + b"Content-Length: 0\r\n\r\n",
        PLAIN + b"Content-Length: %d\r\n\r\n" % len(BEHIND) + BEHIND,
        PLAIN + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BEHIND), BEHIND),
        PLAIN + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        PLAIN + b"Expect: what\r\n\r\n",
        PLAIN.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\n\r\n",
        PLAIN.replace(b"GET", b"HEAD") + b"\r\n",
    ],
)
@pytest.mark.parametrize("is_cut", [False, True])
async def test_what_follows_an_unusual_request_is_answered_and_a_body_is_no_request(
    edge: Edge, request_: bytes, *, is_cut: bool
) -> None:
    await edge.put(1, "own12345")
    await edge.put(2, "gone1234", EdgeLink(2, "tenant", "gone1234", "", DESTINATION, expires_at_ms=1))
    reader, writer = await edge.connect()
    writer.write(request_[:-1] if is_cut else request_ + BEHIND)
    if is_cut:
        await until_async(lambda: has_let_in(edge))
        writer.write(request_[-1:] + BEHIND)
    first = await Reply.read(reader)
    assert (first.status, first.location) == (302, DESTINATION.decode())
    assert (await Reply.read(reader)).status == 410
    writer.close()
    assert [click["code"] for click in edge.clicks()] == ["own12345", "gone1234"]


async def has_let_in(edge: Edge) -> bool:
    """Another request, asked on a connection of its own, was answered, so what came before has been read."""
    return (await edge.get("/", host="stranger.example.com")).status == 404


@pytest.mark.parametrize(
    "request_",
    [
        PLAIN + b"Connection: close\r\n\r\n",
        PLAIN.replace(b"1.1", b"1.0") + b"\r\n",
        PLAIN.replace(b"GET", b"HEAD") + b"Connection: close\r\n\r\n",
    ],
)
async def test_who_says_so_gets_one_answer(edge: Edge, request_: bytes) -> None:
    await edge.put(1, "own12345")
    answered = await edge.send_until_closed(request_, within_s=180)
    assert answered.count(b"\r\nLocation: ") == answered.count(b"\r\n\r\n") == 1
    assert [click["code"] for click in edge.clicks()] == ["own12345"]
