"""An edge in front of a Redis Cluster: slots move, masters die and come back empty, under load.

Never a wrong destination, never a 404 for a code that exists.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from edge.cluster_keys import (
    GROUP_SLOTS,
    GROUPS,
    SLOTS,
    TAGS,
    code_key,
    group_of_field,
    id_key,
    link_key,
    slot_of,
)
from edge.codes import generate_many
from edge.links import EdgeLink
from edge.linkstore import LinkEntry
from edge.redis_address import ClusterAddress, RedisURLError
from tests.edge.conftest import DESTINATION, Edge, Reply, running_edge, until, until_async
from tests.fixtures.redis_cluster import ClusterNode, RedisCluster
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN

pytestmark = RUN_AGAIN_IF_BROKEN

LINKS = 20
CODES = 6_000
CONNECTIONS = 8


@pytest.fixture
def patience() -> None:
    """What is promised while Redis gives no answer is what is tested here."""


@pytest.fixture
async def cluster_edge(redis_cluster: RedisCluster, tmp_path: Path) -> AsyncIterator[Edge]:
    async with running_edge(redis_cluster.url, redis_cluster.url, tmp_path) as edge:
        yield edge


async def put_links(edge: Edge) -> dict[str, str]:
    """Links and codes; the destination of each code."""
    destinations: dict[str, str] = {}
    for number in range(1, LINKS + 1):
        url = f"https://example.com/{number}"
        codes = generate_many(CODES // LINKS)
        link = EdgeLink(number, "tenant", f"own{number:05}", "", url.encode())
        await edge.put(number, f"own{number:05}", link, *codes)
        destinations |= dict.fromkeys([f"own{number:05}", *codes], url)
    return destinations


class Load:
    """Asks for codes, on and on: mostly for ones not asked for before, so that Redis is asked, too."""

    def __init__(self, edge: Edge, destinations: dict[str, str]) -> None:
        self._edge = edge
        self._destinations = destinations
        self._codes = itertools.cycle(destinations)
        self._tasks: list[asyncio.Task[None]] = []
        self.answers: Counter[int] = Counter()
        self.wrong: list[tuple[str, str]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._ask_on()) for _ in range(CONNECTIONS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        assert self.answers.keys() <= {302, 503}, self.answers
        assert not self.wrong

    async def is_all_well(self) -> bool:
        """Whether of 200 more answers none is a refusal."""
        refused, answered = self.answers[503], self.answers[302]
        await until(lambda: self.answers[302] >= answered + 200 or self.answers[503] > refused)
        return self.answers[503] == refused

    async def _ask_on(self) -> None:
        reader, writer = await self._edge.connect()
        try:
            for code in self._codes:
                writer.write(f"GET /{code} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                reply = await Reply.read(reader)
                self.answers[reply.status] += 1
                if reply.status == 302 and reply.location != self._destinations[code]:
                    self.wrong.append((code, reply.location))
                await asyncio.sleep(0.005 if reply.status == 302 else 0.02)  # the pace of the recipients
        finally:
            writer.close()


async def test_links_codes_changes_and_misses(cluster_edge: Edge) -> None:
    edge = cluster_edge
    link = await edge.put(1, "own12345", None, "personal")
    assert (await edge.get("/personal")).location == DESTINATION.decode()
    assert (await edge.get("/unknown1")).status == 404
    assert (await edge.get("/wrong/own12345")).status == 404
    await edge.put(1, "own12345", replace(link, destination=b"https://example.com/moved"), "personal")

    async def is_moved() -> bool:
        return (await edge.get("/personal")).location == "https://example.com/moved"

    await until_async(is_moved, promised_s=1)
    await edge.store.release_codes("", ["personal"])

    async def is_released() -> bool:
        return (await edge.get("/personal")).status == 404

    await until_async(is_released, promised_s=1)
    await edge.store.delete_link("lnk_1", 1)

    async def is_deleted() -> bool:
        return (await edge.get("/own12345")).status == 404

    await until_async(is_deleted, promised_s=1)


async def test_slots_move_under_load(own_redis_cluster: RedisCluster, tmp_path: Path) -> None:
    cluster = own_redis_cluster
    async with running_edge(cluster.url, cluster.url, tmp_path) as edge:
        destinations = await put_links(edge)
        async with Load(edge, destinations) as load:
            await until(lambda: load.answers[302] > 500)
            new = await asyncio.to_thread(cluster.add_master)
            await asyncio.to_thread(_move_groups, cluster, cluster.nodes[0], new, range(24))
            await asyncio.to_thread(_move_groups, cluster, cluster.nodes[1], cluster.nodes[2], range(90, 96))
            await until_async(load.is_all_well)
            changed = EdgeLink(1, "tenant", "own00001", "", b"https://example.com/1")
            await edge.put(1, "own00001", changed)  # on the new master, whose news are heard as well
            fields = [code.encode() for code in destinations]
            moved = {code_key(field) for field in fields if group_of_field(field) < 24}
            assert moved
        assert (await edge.get("/unknown1")).status == 404
        assert load.answers[302] > 1_000


def _move_groups(
    cluster: RedisCluster, source: ClusterNode, target: ClusterNode, groups: Sequence[int]
) -> None:
    for group in groups:
        cluster.move_slot(GROUP_SLOTS[group], source, target)


async def test_a_master_is_killed_under_load(own_redis_cluster: RedisCluster, tmp_path: Path) -> None:
    cluster = own_redis_cluster
    async with running_edge(cluster.url, cluster.url, tmp_path) as edge:
        destinations = await put_links(edge)
        replica = await asyncio.to_thread(cluster.add_replica, cluster.nodes[1])
        async with Load(edge, destinations) as load:
            await until(lambda: load.answers[302] > 200)
            cluster.nodes[1].kill()
            await until_async(lambda: _is_master(replica))
            await until_async(load.is_all_well)
            assert load.answers[503], "codes of the dead master that were not cached had to wait"
            await edge.store.put_link(
                "lnk_2", 2, EdgeLink(2, "tenant", "own00002", "", b"https://example.com/2"), b"{}"
            )
        assert (await edge.get("/unknown1")).status == 404


async def _is_master(node: ClusterNode) -> bool:
    return "role:master" in await asyncio.to_thread(node.ask, "INFO", "replication")


async def test_a_master_that_comes_back_empty_says_of_no_code_that_it_is_unknown(
    own_redis_cluster: RedisCluster, tmp_path: Path
) -> None:
    cluster = own_redis_cluster
    async with running_edge(cluster.url, cluster.url, tmp_path) as edge:
        destinations = await put_links(edge)
        node = cluster.nodes[2]
        async with Load(edge, destinations) as load:
            await until(lambda: load.answers[302] > 200)
            node.kill()
            await asyncio.to_thread(node.start)
            await asyncio.to_thread(_wait_until_whole, cluster)
            refused = load.answers[503]
            await until(lambda: load.answers[503] > refused + 50)
            assert not await edge.store.is_whole()
            for number in range(1, LINKS + 1):
                url = f"https://example.com/{number}"
                link = EdgeLink(number, "tenant", f"own{number:05}", "", url.encode())
                await edge.store.restore_link(LinkEntry(f"lnk_{number}", number, 1, link, b"{}"))
                codes = [code for code, destination in destinations.items() if destination == url]
                await edge.store.restore_codes("", codes, number)
            await edge.store.mark_whole(LINKS)
            await until_async(load.is_all_well)

        async def is_unknown() -> bool:
            return (await edge.get("/unknown1")).status == 404

        await until_async(is_unknown)


def _wait_until_whole(cluster: RedisCluster) -> None:
    from tests.fixtures.redis_cluster import wait_for

    wait_for("a whole cluster", lambda: all(node.is_whole for node in cluster.nodes))


async def test_it_starts_while_a_master_is_down(own_redis_cluster: RedisCluster, tmp_path: Path) -> None:
    cluster = own_redis_cluster
    async with running_edge(cluster.url, cluster.url, tmp_path / "one") as edge:
        destinations = await put_links(edge)
        cluster.nodes[2].kill()
        async with running_edge(cluster.url, cluster.url, tmp_path / "two", await_ready=False) as other:
            await until(lambda: other.readiness is None)
            codes = [code for code in destinations if group_of_field(code.encode()) < GROUPS // 3]
            answers = [(await other.get(f"/{code}")).status for code in codes[:20]]
            assert set(answers) <= {302, 503}
            assert 302 in answers, "codes and links of the living masters are answered"


def test_groups_lie_evenly_over_all_slots() -> None:
    shares = [slot * GROUPS // SLOTS for slot in GROUP_SLOTS]
    assert shares == list(range(GROUPS))
    assert slot_of(b"user1000") == 3443, "as Redis computes it"


def test_the_keys_of_a_group_have_its_tag() -> None:
    field = b"Penhgy.1"
    tag = b"{%b}" % TAGS[group_of_field(field)]
    assert tag in code_key(field)
    assert tag in id_key(field)
    assert b"{%b}" % TAGS[300 % GROUPS] in link_key(300)


def test_an_address_has_seeds_and_what_all_nodes_share() -> None:
    address = ClusterAddress.parse("redis+cluster://app:s%2Fcret@a.example.com:7000,[::1]:7001?tls=true")
    assert address.seeds == (("a.example.com", 7000), ("::1", 7001))
    assert (address.node.username, address.node.password, address.node.tls) == ("app", "s/cret", True)


@pytest.mark.parametrize(
    "url", ["a", "a:0", "a:1,", "a:1/3", "a:1?db=2", "a:1?tls=yes", "a:99999", ":1", "a:x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(RedisURLError):
        ClusterAddress.parse(f"redis+cluster://{url}")
