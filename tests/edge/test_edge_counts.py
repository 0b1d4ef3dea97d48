"""What a worker says that it did: each metric beside what was done; and how misses are made up for."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from edge.contract import EdgeLink, open_link_store
from edge.misses import OF_ADDRESS, OF_NETWORK
from edge.worker import serve_worker
from edge.worker_settings import WorkerSettings
from tests.edge.conftest import DESTINATION, PATIENT, Edge, running_edge, until
from tests.edge.test_own_domains import DOMAIN, FILES, put_domain
from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer


class Counting:
    """An edge whose metrics a test reads."""

    def __init__(self, edge: Edge, registry: CollectorRegistry) -> None:
        self.edge = edge
        self._registry = registry

    def count(self, name: str, **labels: str) -> float:
        value = self._registry.get_sample_value(f"smartlinks_edge_{name}", labels)
        assert value is not None, name
        return value

    def answers(self) -> dict[str, float]:
        """Answers by outcome, those that there were."""
        [metric] = [each for each in self._registry.collect() if each.name == "smartlinks_edge_requests"]
        samples = [each for each in metric.samples if each.name.endswith("_total") and each.value]
        return {each.labels["outcome"]: each.value for each in samples}


@pytest.fixture
async def counting(own_redis: RedisServer, tmp_path: Path) -> AsyncIterator[Counting]:
    store = open_link_store(own_redis.url)
    await store.mark_whole(0)
    edge = Edge(free_port(), store, tmp_path)
    registry, stop = CollectorRegistry(), asyncio.Event()
    settings = WorkerSettings(own_redis.url, tmp_path, "127.0.0.1", edge.port, "localhost:8080")

    def note(reason: str | None) -> None:
        edge.readiness = reason

    serving = asyncio.create_task(serve_worker(settings, stop=stop, registry=registry, on_readiness=note))
    await until(lambda: edge.readiness is None)
    yield Counting(edge, registry)
    stop.set()
    await serving
    await store.close()


async def test_each_answer_and_look_up_is_counted(counting: Counting, tmp_path: Path) -> None:
    edge, count = counting.edge, counting.count
    await put_domain(edge, assetlinks=[])
    await until(lambda: counting.answers().get("association_file", 0) > 0)
    before = counting.answers()
    await edge.put(1, "own12345", None, "personal", "another1")
    await edge.put(2, "gone1234", EdgeLink(2, "t", "gone1234", "", DESTINATION, expires_at_ms=1))
    for path in (
        "/own12345",
        "/own12345",
        "/personal",
        "/another1",
        "/gone1234",
        "/unknown1",
        "/favicon.ico",
    ):
        await edge.get(path)
    await edge.get("/own12345", TE="trailers")
    await edge.get(FILES + "assetlinks.json", host=DOMAIN)
    await edge.get("/own12345", host="stranger.example.com")
    await edge.ask("POST", "/own12345", Content_Length="0")
    await edge.send(b"\x00\r\n\r\n", replies=1)
    answers = {
        "redirected": 5.0,
        "gone": 1.0,
        "not_found": before.get("not_found", 0) + 3.0,
        "association_file": before["association_file"] + 1.0,
        "method_not_allowed": 1.0,
        "bad_request": 1.0,
    }
    await until(lambda: counting.answers() == answers)
    assert count("clicks_spooled_total") == len(edge.clicks()) == 7
    assert count("clicks_dropped_total") == count("orphans_unrecorded_total") == 0
    [log] = tmp_path.glob("*/*.log")  # noqa: ASYNC240 - a small folder
    assert count("spool_bytes_total") == log.stat().st_size
    assert count("cache_hits_total") == 2
    assert count("lookups_total", kind="code") == 5
    assert count("lookups_total", kind="link") == 3, "of a miss, too, but none of a link that is cached"
    assert count("lookup_seconds_count") >= 8
    assert count("redis_reconnects_total") == 0
    await until(lambda: count("spool_unsynced_bytes") == 0)  # a timer forces clicks to the disk


async def test_an_orphan_that_is_not_recorded_is_counted(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.orphans.AT_ONCE", 0)
    for path in ("/unknown1", "/unknown2", "/cisco/unknown3"):
        assert (await counting.edge.get(path)).status == 404
    assert (await counting.edge.get("/unknown4", host="stranger.example.com")).status == 404
    await until(lambda: counting.answers() == {"not_found": 4.0})
    assert counting.count("orphans_unrecorded_total") == 3, "of a host that is none of ours there is none"
    assert counting.edge.clicks() == []


async def test_a_lost_redis_is_counted(counting: Counting, own_redis: RedisServer) -> None:
    edge = counting.edge
    own_redis.stop()
    await until(lambda: edge.readiness is not None)
    assert (await edge.get("/own12345")).status == 503
    await until(lambda: counting.answers() == {"unavailable": 1.0})
    assert counting.count("redis_reconnects_total") == 1
    own_redis.start()
    await until(lambda: edge.readiness is None)


@pytest.fixture
async def behind(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Edge]:
    """An edge behind a proxy that says whose request it is. It forgives nothing, and tells whom it slows."""
    for name, allowance in (("OF_ADDRESS", OF_ADDRESS), ("OF_NETWORK", OF_NETWORK)):
        monkeypatch.setattr(f"edge.misses.{name}", replace(allowance, a_second=0.0))
    monkeypatch.setattr("edge.worker.BOUNDS", replace(PATIENT, max_held=0))
    trusted = {"trusted_proxies": "127.0.0.0/8"}
    async with running_edge(redis_server.url, redis_server.url, tmp_path, **trusted) as running:
        await running.put(1, "own12345")
        yield running


async def ask(edge: Edge, path: str, *addresses: str) -> list[int]:
    """The statuses that these addresses get, one after the other."""
    lines = "GET {} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {}\r\n\r\n"
    requests = "".join(lines.format(path, address) for address in addresses)
    return [reply.status for reply in await edge.send(requests.encode(), replies=len(addresses))]


FREE = OF_ADDRESS.free
LAPTOP = "203.0.113.7"


async def test_a_hit_makes_up_for_a_miss_of_its_address_alone(behind: Edge) -> None:
    assert await ask(behind, "/unknown1", *[LAPTOP] * FREE) == [404] * FREE
    assert await ask(behind, "/own12345", *[LAPTOP] * 5, *["203.0.113.8"] * 5) == [302] * 10
    assert await ask(behind, "/unknown1", *[LAPTOP] * 6) == [404] * 5 + [429]
    assert await ask(behind, "/own12345", LAPTOP) == [302], "who is slowed still lands"
    assert len(behind.orphans()) == FREE + 5, "and a slowed miss is no orphan"


async def test_a_network_that_misses_is_slowed_and_the_next_one_is_not(behind: Edge) -> None:
    lots = OF_NETWORK.free // FREE
    for last in range(lots):
        assert await ask(behind, "/unknown1", *[f"203.0.113.{last}"] * FREE) == [404] * FREE
    assert await ask(behind, "/unknown1", "203.0.113.99", "203.0.114.99") == [429, 404]
    assert await ask(behind, "/own12345", "203.0.113.99", "203.0.113.1") == [302, 302]


async def test_an_ipv6_subscriber_that_misses_is_slowed_and_a_neighbour_is_not(behind: Edge) -> None:
    addresses = [f"2001:db8:0:1:{number:x}::1" for number in range(FREE)]
    assert await ask(behind, "/unknown1", *addresses) == [404] * FREE
    assert await ask(behind, "/unknown1", "2001:db8:0:1:ffff::1", "2001:db8:0:2::1") == [429, 404]
    assert await ask(behind, "/own12345", "2001:db8:0:1:ffff::1") == [302]


async def test_misses_of_every_kind_count(behind: Edge) -> None:
    """Unknown, disabled, of another suffix, and what the lane leaves to aiohttp."""
    await behind.put(2, "disabled")
    await behind.store.put_link("lnk_2", 2, None, b"{}", version=2)
    for path in (
        "/unknown1",
        "/disabled",
        "/suffix/own12345",
        "/ump-sltrack/TrackServlet?p=http://localhost/x123",
    ):
        await ask(behind, path, *[LAPTOP] * (FREE // 4))
    assert await ask(behind, "/unknown1", LAPTOP) == [429]
