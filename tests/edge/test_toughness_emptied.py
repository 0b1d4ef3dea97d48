"""A Redis that lost its links: live codes are never said not to be, and all is well once it is filled."""

from dataclasses import replace
from pathlib import Path

from tests.edge.conftest import DESTINATION, Edge, running_edge, until, until_async
from tests.fixtures.redis import RedisServer
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN

pytestmark = RUN_AGAIN_IF_BROKEN


async def answers(edge: Edge, path: str, status: int) -> None:
    """Wait until the path answers so. It may answer 503 before, and nothing else."""

    async def is_answered() -> bool:
        found = (await edge.get(path)).status
        assert found in {status, 503}
        return found == status

    await until_async(is_answered, promised_s=2)


async def test_what_an_emptied_redis_lacks_is_unavailable_not_missing(
    edge: Edge, redis_server: RedisServer
) -> None:
    link = await edge.put(1, "cached12", None, "personal")
    assert (await edge.get("/cached12")).status == 302
    redis_server.flush()

    reply = await edge.get("/personal")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    assert (await edge.get("/cached12")).status == 302, "cached codes go on"
    assert (await edge.get("/unknown1")).status == 503

    moved = replace(link, destination=b"https://example.com/moved")
    await edge.put(1, "cached12", moved, "personal")
    assert (await edge.get("/personal")).status == 302, "codes are back as soon as they are filled in"
    assert (await edge.get("/unknown1")).status == 503
    await edge.store.mark_whole(1)
    await answers(edge, "/unknown1", 404)
    assert (await edge.get("/cached12")).location == "https://example.com/moved"


async def test_a_link_deleted_while_redis_was_lost_is_forgotten_once_it_is_filled(
    edge: Edge, redis_server: RedisServer
) -> None:
    await edge.put(1, "deleted1")
    assert (await edge.get("/deleted1")).location == DESTINATION.decode()
    redis_server.flush()
    assert (await edge.get("/deleted1")).status == 302
    await edge.store.mark_whole(1)

    async def is_forgotten() -> bool:
        return (await edge.get("/deleted1")).status == 404

    await until_async(is_forgotten, promised_s=2)


async def test_it_starts_in_front_of_an_emptied_redis(redis_server: RedisServer, tmp_path: Path) -> None:
    async with running_edge(redis_server.url, redis_server.url, tmp_path, await_ready=False) as edge:
        await until(lambda: edge.readiness is None)
        assert (await edge.get("/own12345")).status == 503
        await edge.store.mark_whole(0)
        await answers(edge, "/own12345", 404)
