"""Redis loses all it had, or a cluster one node's part, while the edge serves: no 404, and all comes back."""

import logging
from pathlib import Path

import pytest

from api.rebuild import rebuild_link_store
from edge.contract import EdgeLink, generate_many, open_link_store
from ingest.contract import Catalogue, LinkDocument, Warehouse
from tests.api.link_events import link_document
from tests.edge.conftest import running_edge, until_async
from tests.edge.test_redis_cluster import Load
from tests.fixtures.redis import RedisServer
from tests.fixtures.redis_cluster import RedisCluster

LINKS = 100
CODES = 100_000


def document(number: int, code: str) -> LinkDocument:
    return link_document(
        number, domain="localhost:8080", code=code, destination_url=f"https://example.com/{number}"
    )


def fill(catalogue: Catalogue, count: int) -> dict[str, str]:
    """Links with `count` codes together in the catalogue; the destination of each code."""
    destinations: dict[str, str] = {}
    documents = [document(number, f"own{number:05}") for number in range(1, LINKS + 1)]
    catalogue.save_links(documents, token="links")
    codes = generate_many(count)
    for at, link in enumerate(documents):
        some = codes[at::LINKS]
        minted = [(code, f"+{code}", "") for code in some]
        catalogue.add_codes("default", link.number, minted, 1, token=f"codes{link.number}")
        destinations |= dict.fromkeys([link.code, *some], link.destination_url)
    return destinations


async def test_an_emptied_redis_is_filled_again_while_the_edge_serves(
    warehouse: Warehouse, redis_server: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue = Catalogue(warehouse)
    destinations = fill(catalogue, CODES)
    restored = 0

    def note(more: int) -> None:
        nonlocal restored
        restored += more

    async with running_edge(redis_server.url, redis_server.url, tmp_path) as edge:
        redis_server.flush()
        async with Load(edge, destinations) as load:
            await until_async(lambda: _has(load, 503, 20))
            with caplog.at_level(logging.INFO, logger="api.rebuild"):
                assert await rebuild_link_store(edge.store, catalogue, note) == CODES + LINKS
            await until_async(load.is_all_well)
        assert restored == CODES + LINKS
        assert "links and codes are back (100 %)" in caplog.text
        assert f"Redis is rebuilt: {CODES + LINKS} links and codes in " in caplog.text

        async def is_unknown() -> bool:
            return (await edge.get("/unknown1")).status == 404

        await until_async(is_unknown)
        for code in list(destinations)[:: CODES // 200]:
            assert (await edge.get(f"/{code}")).location == destinations[code]


async def test_what_one_node_lost_is_restored_and_what_changed_elsewhere_is_kept(
    warehouse: Warehouse, redis_cluster: RedisCluster
) -> None:
    catalogue = Catalogue(warehouse)
    destinations = fill(catalogue, 2_000)
    store = open_link_store(redis_cluster.url)
    try:
        assert await rebuild_link_store(store, catalogue) == 2_000 + LINKS
        assert await rebuild_link_store(store, catalogue) == 0
        newer = EdgeLink(9, "default", "own00009", "", b"https://example.com/newer")
        numbers = range(1, LINKS + 1)
        for number in numbers:
            await store.put_link(f"lnk_{number}", number, newer, b"{}", version=2)
        redis_cluster.nodes[1].ask("FLUSHALL")
        assert not await store.is_whole()
        assert await rebuild_link_store(store, catalogue) == 2_000 + LINKS
        found = {code: await store.resolve("", code) for code in destinations}
        assert {code: f"https://example.com/{number}" for code, number in found.items()} == destinations
        kept = [await store.get_document(f"lnk_{number}") for number in numbers]
        changed = [number for number, each in zip(numbers, kept, strict=True) if each == (number, b"{}")]
        assert LINKS / 2 < len(changed) < LINKS, "only what was lost is as the catalogue has it"
    finally:
        await store.close()


async def _has(load: Load, status: int, count: int) -> bool:
    return load.answers[status] >= count
