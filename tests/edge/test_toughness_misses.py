"""An address that keeps missing is slowed, one that hits never is, and no miss tells from another."""

import asyncio
import random
import statistics
from dataclasses import replace
from pathlib import Path
from time import monotonic, perf_counter

import pytest

from edge import orphans
from edge.links import EdgeLink
from edge.misses import MAX_DELAY_S, OF_ADDRESS, OF_NETWORK, STEP_S, Misses
from edge.orphans import A_SECOND, AT_ONCE, OrphanAllowance
from tests.edge.conftest import DESTINATION, PATIENT, Edge, Reply, running_edge, until
from tests.edge.redis_proxy import behind_proxy
from tests.fixtures.redis import RedisServer
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN, BrokenPromiseError, stopwatch

pytestmark = RUN_AGAIN_IF_BROKEN

LAPTOP, NEIGHBOUR = b"203.0.113.7", b"203.0.113.8"


def miss_often(misses: Misses, address: bytes, count: int, now_s: float = 0.0) -> float:
    """The delay of the last of so many misses at one time."""
    return [misses.miss(address, now_s) for _ in range(count)][-1]


def test_a_few_misses_cost_nothing_and_many_ever_more_up_to_a_bound() -> None:
    misses = Misses()
    assert miss_often(misses, LAPTOP, OF_ADDRESS.free) == 0
    assert misses.miss(LAPTOP, 0.0) == pytest.approx(STEP_S)
    assert misses.miss(LAPTOP, 0.0) == pytest.approx(2 * STEP_S)
    assert miss_often(misses, LAPTOP, 1_000) == MAX_DELAY_S


def test_an_address_that_stops_is_forgiven_with_time() -> None:
    misses = Misses()
    miss_often(misses, LAPTOP, 10_000)
    minutes_5 = (OF_ADDRESS.free + MAX_DELAY_S / STEP_S) / OF_ADDRESS.a_second
    assert misses.miss(LAPTOP, minutes_5) == 0


def test_another_address_of_the_network_is_slowed_only_by_what_the_network_missed() -> None:
    misses = Misses()
    for last in range(OF_NETWORK.free // OF_ADDRESS.free):
        assert miss_often(misses, b"203.0.113.%d" % last, OF_ADDRESS.free) == 0
    assert misses.miss(b"203.0.113.99", 0.0) > 0
    assert misses.miss(b"203.0.114.99", 0.0) == 0


def test_an_ipv6_subscriber_is_one_whatever_address_is_chosen() -> None:
    misses = Misses()
    for number in range(OF_ADDRESS.free):
        assert misses.miss(b"2001:db8:0:1::%x" % number, 0.0) == 0
    assert misses.miss(b"2001:db8:0:1:ffff::1", 0.0) > 0
    assert misses.miss(b"2001:db8:0:2::1", 0.0) == 0


def test_who_hits_as_often_as_missing_is_never_slowed() -> None:
    misses = Misses()
    for _ in range(1_000):
        assert misses.miss(LAPTOP, 0.0) == 0
        misses.hit(LAPTOP)


def test_hits_make_up_for_no_later_misses() -> None:
    misses = Misses()
    misses.miss(LAPTOP, 0.0)
    for _ in range(1_000):
        misses.hit(LAPTOP)
    assert miss_often(misses, LAPTOP, OF_ADDRESS.free + 1) > 0


def test_memory_is_bounded_whatever_is_scanned_from() -> None:
    misses = Misses(addresses_a_generation=100)
    for number in range(10_000):
        misses.miss(b"198.51.%d.%d" % divmod(number, 256), 0.0)
    assert len(misses.by_address) <= 200
    assert len(misses._by_network) <= 200


@pytest.fixture
def unforgiving(monkeypatch: pytest.MonkeyPatch) -> None:
    """No miss is forgiven with time: what is held, and for how long, is the same on a slow machine."""
    for name, allowance in (("OF_ADDRESS", OF_ADDRESS), ("OF_NETWORK", OF_NETWORK)):
        monkeypatch.setattr(f"edge.misses.{name}", replace(allowance, a_second=0.0))


@pytest.mark.usefixtures("unforgiving")
async def test_a_scanner_is_slowed_and_a_person_behind_the_same_address_is_not(edge: Edge) -> None:
    await edge.put(1, "own12345")
    for number in range(OF_ADDRESS.free):
        assert (await edge.get(f"/miss{number:04}")).status == 404
    scanning = [asyncio.create_task(edge.get(f"/scan{number:04}")) for number in range(10)]
    begun = stopwatch.start()
    assert (await edge.get("/own12345")).status == 302
    stopwatch.check(begun, STEP_S)  # a hit is answered at once
    replies = await asyncio.gather(*scanning)
    assert {reply.status for reply in replies} == {404}
    assert monotonic() - begun >= 9 * STEP_S
    assert len(edge.hits()) == 1
    assert len(edge.orphans()) <= OF_ADDRESS.free + 1, (
        "but for the one that the hit made up for, none while slowed"
    )


def test_orphans_are_bounded_at_once_and_a_second() -> None:
    allowance = OrphanAllowance()
    assert sum(allowance.take(1_000.0) for _ in range(10 * AT_ONCE)) == AT_ONCE
    assert sum(allowance.take(1_000.5) for _ in range(AT_ONCE)) == A_SECOND / 2
    assert sum(allowance.take(1_060.0) for _ in range(10 * AT_ONCE)) == AT_ONCE


async def test_a_scan_from_many_networks_leaves_few_orphans_and_a_count(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "A_SECOND", 0)
    trusted = {"trusted_proxies": "127.0.0.0/8"}
    scanned = AT_ONCE + 50
    async with running_edge(redis_server.url, redis_server.url, tmp_path, **trusted) as edge:
        lines = "GET /scan{:04} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.{}.100.1\r\n\r\n"
        requests = "".join(lines.format(number, number) for number in range(scanned))
        replies = await edge.send(requests.encode(), replies=scanned)
        assert {reply.status for reply in replies} == {404}
        assert [click["seq"] for click in edge.orphans()] == [*range(1, AT_ONCE + 1)]
        await edge.put(1, "own12345")
        assert (await edge.get("/own12345")).status == 302
        assert [click["seq"] for click in edge.hits()] == [AT_ONCE + 1], "what is not recorded has no number"


@pytest.mark.usefixtures("unforgiving")
async def test_the_address_is_the_clients(redis_server: RedisServer, tmp_path: Path) -> None:
    """Behind a proxy, one scanner slows nobody else that comes through it."""
    trusted = {"trusted_proxies": "127.0.0.0/8"}
    async with running_edge(redis_server.url, redis_server.url, tmp_path, **trusted) as edge:
        scanner = {"X_Forwarded_For": "198.51.100.1"}
        await asyncio.gather(*(edge.get("/unknown1", **scanner) for _ in range(OF_ADDRESS.free)))
        begun = stopwatch.start()
        assert (await edge.get("/unknown1", X_Forwarded_For="203.0.113.7")).status == 404
        stopwatch.check(begun, STEP_S)
        assert (await edge.get("/unknown1", **scanner)).status == 404
        assert monotonic() - begun >= STEP_S


@pytest.mark.usefixtures("unforgiving")
async def test_held_answers_are_bounded(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.worker.BOUNDS", replace(PATIENT, max_held=3))
    monkeypatch.setattr("edge.misses.STEP_S", 60.0)
    monkeypatch.setattr("edge.misses.MAX_DELAY_S", 60.0)  # none is let go before the edge stops
    async with running_edge(redis_server.url, redis_server.url, tmp_path) as edge:
        await edge.put(1, "own12345")
        await asyncio.gather(*(edge.get("/unknown1") for _ in range(OF_ADDRESS.free)))
        asking = [asyncio.create_task(edge.get("/unknown1")) for _ in range(10)]
        await until(lambda: sum(each.done() for each in asking) == 7)
        refused = [each.result() for each in asking if each.done()]
        assert {(reply.status, reply.headers["Retry-After"]) for reply in refused} == {(429, "10")}
        assert (await edge.get("/own12345")).status == 302
    statuses = sorted(reply.status for reply in await asyncio.gather(*asking))
    assert statuses == [404] * 3 + [429] * 7


async def test_who_hangs_up_while_held_disturbs_nobody(edge: Edge) -> None:
    await asyncio.gather(*(edge.get("/unknown1") for _ in range(OF_ADDRESS.free)))
    for method in ("GET", "HEAD"):
        _, writer = await edge.connect()
        writer.write(f"{method} /unknown1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await writer.drain()
        writer.close()
    reply = await edge.get("/unknown1")
    assert reply.status == 404


async def test_a_stopping_edge_answers_what_it_holds(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_held = asyncio.Event()

    miss = Misses.miss

    def telling(misses: Misses, address: bytes, now_s: float) -> float:
        delay_s = miss(misses, address, now_s)
        if delay_s > 0:
            is_held.set()  # who waits for it goes on in the next tick
        return delay_s

    monkeypatch.setattr(Misses, "miss", telling)
    async with running_edge(redis_server.url, redis_server.url, tmp_path) as edge:
        await asyncio.gather(*(edge.get("/unknown1") for _ in range(OF_ADDRESS.free + 20)))
        begun = stopwatch.start()
        reader, writer = await edge.connect()
        writer.write(b"GET /unknown1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await is_held.wait()
    assert (await Reply.read(reader)).status == 404
    stopwatch.check(begun, 2)  # it would have been held for longer
    writer.close()


async def test_every_miss_takes_two_round_trips(redis_server: RedisServer, tmp_path: Path) -> None:
    """Unknown, disabled, deleted and wrong suffix, asked for the first time and again."""
    async with behind_proxy(redis_server, tmp_path) as (edge, proxy):
        await edge.store.mark_whole(4)
        await put_misses(edge)
        assert (await edge.get("/live1234")).status == 302
        for path in MISSES * 2:
            before = proxy.asked, proxy.asked_links
            assert (await edge.get(path)).status == 404
            assert (proxy.asked - before[0], proxy.asked_links - before[1]) == (1, 1), path


MISSES = ("/unknown1", "/disabled", "/deleted1", "/suffix/live1234", "/suffix/personal")


async def put_misses(edge: Edge) -> None:
    await edge.put(1, "live1234", EdgeLink(1, "tenant", "live1234", "", DESTINATION), "personal")
    await edge.put(2, "disabled")
    await edge.store.put_link("lnk_2", 2, None, b"{}")
    await edge.put(3, "deleted1")
    await edge.store.delete_link("lnk_3", 3)


async def test_misses_can_not_be_told_apart_by_time(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Medians of each in turns, over TCP to Redis: within a tenth of each other.

    A wrong suffix among them, once its link is known: each writes an orphan and asks Redis twice. What the
    machine does meanwhile goes away with more turns, a real difference does not.
    """

    def differ() -> bool:
        medians = [statistics.median(times) for times in took_s.values()]
        return max(medians) > min(medians) * 1.1

    monkeypatch.setattr(Misses, "miss", lambda *_: 0.0)
    monkeypatch.setattr(orphans, "AT_ONCE", 100_000)
    async with running_edge(redis_server.tcp_url, redis_server.url, tmp_path) as edge:
        await put_misses(edge)
        assert (await edge.get("/live1234")).status == 302
        took_s: dict[str, list[float]] = {path: [] for path in MISSES}
        reader, writer = await edge.connect()
        turns = 0
        while turns < 200 or (turns < 4_000 and differ()):
            for _ in range(100):
                turns += 1
                for path in random.sample(MISSES, len(MISSES)):  # none always follows the same
                    begun = perf_counter()
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    assert (await Reply.read(reader)).status == 404
                    took_s[path].append(perf_counter() - begun)
        writer.close()
        assert len(edge.orphans()) == turns * len(MISSES)
        if differ():
            raise BrokenPromiseError({path: statistics.median(times) for path, times in took_s.items()})
