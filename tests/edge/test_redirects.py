"""Redirects over real sockets, in front of a real Redis."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from edge.links import EdgeLink
from tests.edge.conftest import DESTINATION, Edge, running_edge, until_async
from tests.fixtures.redis import RedisServer
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN

pytestmark = RUN_AGAIN_IF_BROKEN

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Mobile/15E148"
ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) Mobile Safari/537.36"


async def test_a_code_redirects_and_is_one_click(edge: Edge) -> None:
    await edge.put(1, "own12345", None, "Penhgyab")
    reply = await edge.get(
        "/Penhgyab", User_Agent="Mozilla/5.0", Accept_Language="de", Sec_Fetch_Mode="navigate"
    )
    assert reply.status == 302
    assert reply.location == DESTINATION.decode()
    assert reply.headers["Cache-Control"] == "private, no-store"
    assert reply.headers["X-Robots-Tag"] == "noindex"
    [click] = edge.clicks()
    assert isinstance(click.pop("ts"), int)
    assert isinstance(click.pop("source"), int)
    assert click == {
        "v": 1,
        "seq": 1,
        "host": "localhost:8080",
        "code": "Penhgyab",
        "link": 1,
        "tenant": "tenant",
        "personal": True,
        "method": "GET",
        "route": "default",
        "outcome": "redirected",
        "ip": "127.0.0.1",
        "ua": "Mozilla/5.0",
        "referer": "",
        "language": "de",
        "signals": {"sec-fetch-mode": "navigate"},
    }


async def test_the_links_own_code_is_not_personal(edge: Edge) -> None:
    await edge.put(1, "own12345")
    await edge.get("/own12345")
    assert [click["personal"] for click in edge.clicks()] == [False]


async def test_each_device_lands_at_its_own_destination(edge: Edge) -> None:
    link = EdgeLink(
        1, "tenant", "own12345", "", b"https://e.com/web", ios=b"app://ios", android=b"https://e.com/a"
    )
    await edge.put(1, "own12345", link)
    assert (await edge.get("/own12345", User_Agent=IPHONE)).location == "app://ios"
    assert (await edge.get("/own12345", User_Agent=ANDROID)).location == "https://e.com/a"
    assert (await edge.get("/own12345", User_Agent="Mozilla/5.0")).location == "https://e.com/web"
    assert [click["route"] for click in edge.clicks()] == ["ios", "android", "default"]


async def test_a_suffix_must_be_asked_for_exactly(edge: Edge) -> None:
    await edge.put(1, "own12345", EdgeLink(1, "tenant", "own12345", "cisco/de", DESTINATION))
    await edge.put(2, "bare1234")
    assert (await edge.get("/cisco/de/own12345")).status == 302
    assert (await edge.get("/own12345")).status == 404
    assert (await edge.get("/cisco/own12345")).status == 404
    assert (await edge.get("/cisco/bare1234")).status == 404
    assert [click["link"] for click in edge.clicks()] == [1, 0, 0, 0]


async def test_expiry(redis_server: RedisServer, tmp_path: Path) -> None:
    now_ms = 1_700_000_000_000
    async with running_edge(redis_server.url, redis_server.url, tmp_path, clock_ms=lambda: now_ms) as edge:
        gone = EdgeLink(1, "tenant", "gone1234", "", DESTINATION, expires_at_ms=now_ms)
        await edge.put(1, "gone1234", gone)
        await edge.put(
            2, "over1234", replace(gone, number=2, code="over1234", expired_url=b"https://e.com/over")
        )
        await edge.put(3, "live1234", replace(gone, number=3, code="live1234", expires_at_ms=now_ms + 1))
        reply = await edge.get("/gone1234")
        assert reply.status == 410
        assert b"expired" in reply.body
        assert (await edge.get("/over1234")).location == "https://e.com/over"
        assert (await edge.get("/live1234")).location == DESTINATION.decode()
        assert [(click["route"], click["outcome"], click["ts"]) for click in edge.clicks()] == [
            ("expired", "gone", now_ms),
            ("expired", "redirected", now_ms),
            ("default", "redirected", now_ms),
        ]


async def test_every_404_is_the_same_bytes_and_an_orphan_if_for_a_code(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with running_edge(redis_server.url, redis_server.url, tmp_path, clock_ms=lambda: 0) as edge:
        await edge.put(1, "live1234")
        await edge.put(2, "disabled")
        await edge.store.put_link("lnk_2", 2, None, b"{}")
        await edge.put(3, "deleted1")
        await edge.store.delete_link("lnk_3", 3)
        paths = (
            "/unknown1",
            "/disabled",
            "/deleted1",
            "/suffix/live1234",
            "/",
            "/abc",
            "/live1234/",
            "/a.b",
            "/%41bcd",
        )
        replies = [await edge.get(path) for path in paths]
        replies.append(await edge.get("/live1234", host="other.example.com"))
        assert {reply.raw for reply in replies} == {replies[0].raw}
        assert replies[0].status == 404
        assert b'name="viewport"' in replies[0].body
        assert edge.hits() == []
        assert [click["code"] for click in edge.orphans()] == [
            "unknown1",
            "disabled",
            "deleted1",
            "live1234",
            "abc",
        ]


async def test_an_orphan_has_all_but_a_link(edge: Edge) -> None:
    await edge.get("/cisco/unknown1", User_Agent="ua", Referer="https://example.com/")
    [orphan] = edge.clicks()
    assert isinstance(orphan.pop("source"), int)
    assert isinstance(orphan.pop("ts"), int)
    assert orphan == {
        "v": 1,
        "seq": 1,
        "host": "localhost:8080",
        "code": "unknown1",
        "link": 0,
        "tenant": "",
        "personal": False,
        "method": "GET",
        "route": "none",
        "outcome": "not_found",
        "ip": "127.0.0.1",
        "ua": "ua",
        "referer": "https://example.com/",
        "language": "",
        "signals": {},
    }


async def test_a_released_code_is_gone_within_a_second(edge: Edge) -> None:
    await edge.put(1, "own12345", None, "personal", "another1")
    for path in ("/personal", "/another1"):
        assert (await edge.get(path)).status == 302
    await edge.store.release_codes("", ["personal"])

    async def is_gone() -> bool:
        return (await edge.get("/personal")).status == 404

    await until_async(is_gone, promised_s=1)
    assert (await edge.get("/another1")).status == 302


async def test_head_is_answered_without_a_body_and_recorded(edge: Edge) -> None:
    await edge.put(1, "own12345")
    reply = await edge.ask("HEAD", "/own12345")
    assert (reply.status, reply.location) == (302, DESTINATION.decode())
    assert (await edge.ask("HEAD", "/unknown1")).status == 404
    assert [(click["method"], click["outcome"]) for click in edge.clicks()] == [
        ("HEAD", "redirected"),
        ("HEAD", "not_found"),
    ]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_refused(edge: Edge, method: str) -> None:
    await edge.put(1, "own12345")
    reply = await edge.ask(method, "/own12345", Content_Length="0")
    assert reply.status == 405
    assert reply.headers["Allow"] == "GET, HEAD"
    assert edge.clicks() == []


async def test_the_query_is_forwarded(edge: Edge) -> None:
    await edge.put(
        1, "own12345", EdgeLink(1, "tenant", "own12345", "", b"https://e.com/?x=1#f", forward_query=True)
    )
    assert (await edge.get("/own12345?a=1&b=%20")).location == "https://e.com/?x=1&a=1&b=%20#f"
    assert (
        await edge.get('/own12345?q="<>\\^`{|}')
    ).location == "https://e.com/?x=1&q=%22%3C%3E%5C%5E%60%7B%7C%7D#f"


async def test_a_changed_link_is_served_within_a_second(edge: Edge) -> None:
    link = await edge.put(1, "own12345")
    assert (await edge.get("/own12345")).location == DESTINATION.decode()

    await edge.store.put_link("lnk_1", 1, replace(link, destination=b"https://example.com/new"), b"{}")

    async def lands_at_the_new_one() -> bool:
        return (await edge.get("/own12345")).headers.get("Location") == "https://example.com/new"

    await until_async(lands_at_the_new_one, promised_s=1)
    await edge.store.put_link("lnk_1", 1, None, b"{}", version=2)  # as disabling does

    async def is_gone() -> bool:
        return (await edge.get("/own12345")).status == 404

    await until_async(is_gone, promised_s=1)
    await edge.store.put_link("lnk_1", 1, link, b"{}", version=3)
    assert (await edge.get("/own12345")).location == DESTINATION.decode()
    await edge.store.delete_link("lnk_1", 1)
    await until_async(is_gone, promised_s=1)


async def test_a_missing_code_is_never_cached(edge: Edge) -> None:
    assert (await edge.get("/own12345")).status == 404
    await edge.put(1, "own12345")
    assert (await edge.get("/own12345")).status == 302


@pytest.mark.parametrize(
    "destination",
    [b"https://e.com/\r\nSet-Cookie: a=b", b"https://e.com/\n", b"https://e.com/ x", b"\xff", b"a\x00"],
)
async def test_a_destination_that_would_bend_the_location_is_not_served(
    edge: Edge, destination: bytes
) -> None:
    await edge.put(1, "own12345", EdgeLink(1, "tenant", "own12345", "", destination))
    assert (await edge.get("/own12345")).status == 404


async def test_the_forwarded_address_is_believed_from_a_trusted_proxy_alone(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with running_edge(
        redis_server.url, redis_server.url, tmp_path / "behind", trusted_proxies="127.0.0.0/8"
    ) as behind:
        await behind.put(1, "own12345")
        for method in ("GET", "HEAD"):
            await behind.ask(method, "/own12345", X_Forwarded_For="198.51.100.1, 203.0.113.7")
        assert [click["ip"] for click in behind.clicks()] == ["203.0.113.7", "203.0.113.7"]
    async with running_edge(redis_server.url, redis_server.url, tmp_path / "bare") as bare:
        await bare.get("/own12345", X_Forwarded_For="203.0.113.7")
        assert [click["ip"] for click in bare.clicks()] == ["127.0.0.1"]


async def test_long_and_broken_header_values_are_cut_and_replaced(edge: Edge) -> None:
    await edge.put(1, "own12345")
    await edge.get("/own12345", User_Agent="a" * 5000, Referer="caf\xe9", Accept_Language='"\\')
    [click] = edge.clicks()
    assert click["ua"] == "a" * 2048
    assert click["referer"] == "caf\ufffd"
    assert click["language"] == '"\\'


async def test_a_full_disk_stops_no_redirect(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    await edge.put(1, "own12345")

    def refuse(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", refuse)
        assert (await edge.get("/own12345")).status == 302
    assert edge.clicks() == []
    assert (await edge.get("/own12345")).status == 302
    assert [click["seq"] for click in edge.clicks()] == [2]


async def test_requests_at_once_for_one_code_are_all_answered(edge: Edge) -> None:
    await edge.put(1, "own12345")
    replies = await asyncio.gather(*(edge.get("/own12345") for _ in range(50)))
    assert {reply.status for reply in replies} == {302}
    assert len(edge.clicks()) == 50
