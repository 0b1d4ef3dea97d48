"""Several domains on one edge: codes, answers and files of their own, and how soon a change is seen."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from edge.contract import EdgeLink
from tests.edge.conftest import Edge, Reply, running_edge, until, until_async
from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN

pytestmark = RUN_AGAIN_IF_BROKEN

DOMAIN = "go.example.com"
TAG = ".1"
NOTHING = {
    "not_found_url": None,
    "not_found_page": None,
    "expired_url": None,
    "expired_page": None,
    "apple_app_site_association": None,
    "assetlinks": None,
    "deleted": False,
}
FILES = "/.well-known/"
PAST_MS = 1_000


async def put_domain(edge: Edge, host: str = DOMAIN, tag: str = TAG, **fields: Any) -> None:
    """Store a domain, and wait until the edge knows."""
    mark = f"{host}-{tag}-{fields}"
    document = {"host": host, "tag": tag, **NOTHING, **fields, "assetlinks": [{"mark": mark}]}
    if "assetlinks" in fields:
        document["assetlinks"] = fields["assetlinks"]
    assert await edge.store.put_domain(host, tag, json.dumps(document).encode())

    async def is_known() -> bool:
        reply = await ask(edge, FILES + "assetlinks.json", host)
        if fields.get("deleted"):
            return reply.status == 404
        if document["assetlinks"] is None:
            return reply.status != 200
        return reply.status == 200 and json.loads(reply.body) == document["assetlinks"]

    await until_async(is_known, promised_s=1)


async def put_link(edge: Edge, number: int, code: str, tag: str = TAG, **fields: Any) -> EdgeLink:
    link = EdgeLink(number, "tenant", code, fields.pop("suffix", ""), b"https://example.com/%d" % number)
    link = EdgeLink(**{name: getattr(link, name) for name in EdgeLink.__slots__} | fields)
    await edge.store.put_link(f"lnk_{number}", number, link, b"{}")
    assert await edge.store.claim_codes(tag, [code], number) == [number]
    return link


async def ask(edge: Edge, path: str, host: str = DOMAIN, method: str = "GET") -> Reply:
    return await edge.ask(method, path, host=host)


async def ask_both_ways(edge: Edge, path: str, host: str = DOMAIN) -> Reply:
    """The lane's answer, which aiohttp's has to equal byte for byte, save for the date."""
    plain = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    unusual = plain.replace(b"\r\n\r\n", b"\r\nTE: trailers\r\n\r\n")  # the lane leaves it to aiohttp
    [lane], [aiohttp] = await edge.send(plain, replies=1), await edge.send(unusual, replies=1)
    for reply in (lane, aiohttp):
        reply.headers.pop("Date")
    assert (lane.status, lane.headers, lane.body) == (aiohttp.status, aiohttp.headers, aiohttp.body)
    return lane


async def test_the_same_code_on_two_domains_leads_to_two_links(edge: Edge) -> None:
    await put_domain(edge)
    await put_domain(edge, "other.example.com:8443", ".2")
    await put_link(edge, 1, "Spring26", "")
    await put_link(edge, 2, "Spring26", suffix="cisco")
    await put_link(edge, 3, "Spring26", ".2")
    assert (await ask_both_ways(edge, "/Spring26", "localhost")).location == "https://example.com/1"
    assert (await ask_both_ways(edge, "/cisco/Spring26")).location == "https://example.com/2"
    assert (await ask(edge, "/Spring26")).status == 404
    assert (await ask(edge, "/Spring26", "OTHER.example.com:8443")).location == "https://example.com/3"
    assert (await ask(edge, "/Spring26", "other.example.com")).status == 404
    assert [click["host"] for click in edge.hits()] == [
        "localhost:8080",
        "localhost:8080",
        DOMAIN,
        DOMAIN,
        "other.example.com:8443",
    ]


async def test_a_domain_is_there_and_gone_within_a_second(edge: Edge) -> None:
    await put_link(edge, 1, "Spring26")
    assert (await ask(edge, "/Spring26")).status == 404
    await put_domain(edge)
    assert (await ask(edge, "/Spring26")).status == 302
    await put_domain(edge, not_found_url="https://example.com/start")
    assert (await ask(edge, "/nothing")).location == "https://example.com/start"
    await put_domain(edge, deleted=True)
    assert (await ask(edge, "/Spring26")).status == 404


async def test_an_unknown_host_costs_no_look_up(edge: Edge, redis_server: RedisServer) -> None:
    for host, looks_up in (("stranger.example.com", False), ("localhost", True)):
        assert redis_server.ask(b"CONFIG RESETSTAT") == b"+OK\r\n"
        reply = await ask(edge, "/Spring26", host)
        assert (reply.status, b"Nothing is here" in reply.body) == (404, True)
        assert (b"cmdstat_hget:" in redis_server.ask(b"INFO commandstats")) is looks_up


async def test_pages_in_the_domains_own_words_are_text(edge: Edge) -> None:
    page = {"title": "Nichts <b>", "message": "</p><script>alert(1)</script> & {ü}"}
    await put_domain(edge, not_found_page=page, expired_page={**page, "title": "Vorbei"})
    await put_link(edge, 1, "Spring26", expires_at_ms=PAST_MS)
    missing, gone = await ask_both_ways(edge, "/nothing"), await ask_both_ways(edge, "/Spring26")
    assert (missing.status, gone.status) == (404, 410)
    assert b"<h1>Nichts &lt;b&gt;</h1>" in missing.body
    assert b"<h1>Vorbei</h1>" in gone.body
    for reply in (missing, gone):
        assert "&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; {ü}".encode() in reply.body
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert (await ask_both_ways(edge, "/favicon.ico")).body == missing.body
    head = (await edge.send(b"HEAD /nothing HTTP/1.1\r\nHost: go.example.com\r\n\r\n", replies=1))[0]
    assert head.headers["Content-Length"] == str(len(missing.body))
    default = await ask_both_ways(edge, "/nothing", "localhost")
    assert b"Nothing is here" in default.body


async def test_unknown_disabled_and_wrongly_suffixed_look_the_same_on_a_domain_of_its_own(edge: Edge) -> None:
    await put_domain(edge, not_found_page={"title": "Nichts", "message": "hier"})
    await put_link(edge, 1, "Spring26", suffix="cisco")
    await edge.store.put_link("lnk_2", 2, None, b"{}")
    await edge.store.claim_codes(TAG, ["Disabled"], 2)
    paths = ("/unknown1", "/Disabled", "/Spring26", "/csico/Spring26")
    assert len({(await ask_both_ways(edge, path)).raw.split(b"Date")[0] for path in paths}) == 1


async def test_urls_of_the_domain_count_before_its_pages_and_after_the_links_own(edge: Edge) -> None:
    page = {"title": "t", "message": "m"}
    await put_domain(
        edge,
        not_found_url="https://example.com/start",
        not_found_page=page,
        expired_url="https://example.com/over",
        expired_page=page,
    )
    await put_link(edge, 1, "Spring26", expires_at_ms=PAST_MS)
    await put_link(edge, 2, "Summer26", expires_at_ms=PAST_MS, expired_url=b"https://example.com/own")
    assert (await ask_both_ways(edge, "/nothing")).location == "https://example.com/start"
    assert (await ask_both_ways(edge, "/Spring26")).location == "https://example.com/over"
    assert (await ask_both_ways(edge, "/Summer26")).location == "https://example.com/own"
    assert {(click["route"], click["outcome"]) for click in edge.hits()} == {("expired", "redirected")}
    assert [(click["code"], click["host"]) for click in edge.orphans()] == [("nothing", DOMAIN)] * 2


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"host":5,"tag":"","deleted":false}',
        json.dumps({"host": DOMAIN, "tag": TAG, **NOTHING, "not_found_url": "https://x/\r\nA: b"}).encode(),
    ],
)
async def test_a_document_that_can_not_be_read_is_not_served(
    edge: Edge, redis_server: RedisServer, document: bytes
) -> None:
    await put_link(edge, 1, "Spring26")
    hexed = "".join(f"\\x{byte:02x}" for byte in document)
    assert redis_server.ask(f'HSET domains {DOMAIN} "{hexed}"'.encode()) == b":1\r\n"
    await put_domain(edge, "other.example.com", ".2")
    assert (await ask(edge, "/Spring26")).status == 404


async def test_association_files_are_the_domains_own(edge: Edge) -> None:
    association = {"applinks": {"details": [{"appIDs": ["ABCDE12345.com.example.app"], "note": "ü"}]}}
    assetlinks = [{"relation": ["delegate_permission/common.handle_all_urls"]}]
    await put_domain(edge, apple_app_site_association=association, assetlinks=assetlinks)
    for name, content in (("apple-app-site-association", association), ("assetlinks.json", assetlinks)):
        reply = await ask(edge, FILES + name)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
        assert json.loads(reply.body) == content
        [head] = await edge.send(f"HEAD {FILES}{name} HTTP/1.1\r\nHost: {DOMAIN}\r\n\r\n".encode(), replies=1)
        assert head.headers["Content-Length"] == str(len(reply.body))
        assert (await ask(edge, f"{FILES}{name}?v=1")).body == reply.body
        assert (await ask(edge, FILES + name, "localhost")).status == 404
        assert (await ask(edge, FILES + name, "stranger.example.com")).status == 404
    assert (await ask(edge, FILES + "other.json")).status == 404
    assert edge.clicks() == []


async def test_the_default_domain_may_have_files_and_pages(edge: Edge) -> None:
    await put_domain(edge, "localhost:8080", "", not_found_url="https://example.com/start")
    await put_link(edge, 1, "Spring26", "")
    assert (await ask(edge, "/Spring26", "127.0.0.1")).status == 302
    assert (await ask(edge, "/nothing", "127.0.0.1")).location == "https://example.com/start"


async def test_what_is_known_outlives_redis(own_redis: RedisServer, tmp_path: Path) -> None:
    async with running_edge(own_redis.url, own_redis.url, tmp_path) as edge:
        await put_domain(edge, not_found_url="https://example.com/start")
        await put_link(edge, 1, "Spring26")
        assert (await ask(edge, "/Spring26")).status == 302
        own_redis.flush()
        assert (await ask(edge, "/Spring26")).status == 302
        assert (await ask(edge, "/unknown1")).status == 503
        own_redis.stop()
        await until(lambda: edge.readiness is not None)
        assert (await ask(edge, "/Spring26")).status == 302
        assert (await ask(edge, "/Spring26", "stranger.example.com")).status == 404


async def test_an_edge_that_never_reached_redis_knows_no_strangers(tmp_path: Path) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}"
    async with running_edge(nowhere, nowhere, tmp_path, await_ready=False) as edge:
        await until_async(lambda: listens(edge))
        for path in ("/Spring26", "/favicon.ico", FILES + "assetlinks.json"):
            assert (await ask(edge, path, "perhaps.example.com")).status == 503
            assert (await ask(edge, path + "?TE", "perhaps.example.com")).status == 503


async def test_a_new_edge_knows_the_domains_from_its_first_request_on(
    edge: Edge, redis_server: RedisServer, tmp_path: Path
) -> None:
    await put_domain(edge)
    await put_link(edge, 1, "Spring26")
    folder = tmp_path / "second"
    async with running_edge(redis_server.url, redis_server.url, folder, await_ready=False) as second:
        await until_async(lambda: listens(second))
        assert (await ask(second, "/Spring26")).status == 302


async def listens(edge: Edge) -> bool:
    try:
        _, writer = await edge.connect()
    except OSError:
        return False
    writer.close()
    return True


async def test_a_thousand_domains_are_known_from_the_first_request_on(edge: Edge) -> None:
    async def put(number: int) -> None:
        host = f"d{number}.example.com"
        document = {"host": host, "tag": f".{number}", **NOTHING}
        assert await edge.store.put_domain(host, f".{number}", json.dumps(document).encode())

    await asyncio.gather(*(put(number) for number in range(1, 1001)))
    await put_link(edge, 1, "Spring26", ".1000")

    async def is_found() -> bool:
        return (await ask(edge, "/Spring26", "d1000.example.com")).status == 302

    await until_async(is_found, promised_s=2)
