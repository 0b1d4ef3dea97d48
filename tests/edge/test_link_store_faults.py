"""The link store while Redis is away, full or hanging."""

import os
import signal

import pytest

from edge.links import EdgeLink
from edge.linkstore import LinkStoreUnavailableError
from edge.redis_link_store import open_link_store
from tests.edge.conftest import DESTINATION
from tests.fixtures.redis import RedisServer
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN, stopwatch

pytestmark = RUN_AGAIN_IF_BROKEN


@pytest.fixture
def patience() -> None:
    """What is promised while Redis gives no answer is what is tested here."""


async def test_an_unreachable_redis_is_unavailable_and_back_when_it_is_back(own_redis: RedisServer) -> None:
    store = open_link_store(own_redis.url)
    try:
        await store.mark_whole(0)
        assert await store.next_number() == 1
        own_redis.stop()
        with pytest.raises(LinkStoreUnavailableError, match="Redis"):
            await store.next_number()
        own_redis.start()
        assert await store.is_empty()
    finally:
        await store.close()


async def test_a_redis_that_refuses_writes_is_unavailable(own_redis: RedisServer) -> None:
    store = open_link_store(own_redis.url)
    try:
        own_redis.ask(b"CONFIG SET maxmemory 1")
        with pytest.raises(LinkStoreUnavailableError, match="maxmemory"):
            await store.claim_codes("", ["aaaa"], 1)
        with pytest.raises(LinkStoreUnavailableError, match="maxmemory"):
            await store.put_link("lnk_1", 7, EdgeLink(7, "acme", "Penhgy", "", DESTINATION), b"{}")
        assert await store.get_document("lnk_1") is None
    finally:
        await store.close()


async def test_a_redis_that_hangs_is_unavailable_within_five_seconds(own_redis: RedisServer) -> None:
    store = open_link_store(own_redis.url)
    try:
        await store.ping()
        os.kill(own_redis.pid, signal.SIGSTOP)
        begun = stopwatch.start()
        with pytest.raises(LinkStoreUnavailableError):
            await store.claim_codes("", ["aaaa"], 41)
        stopwatch.check(begun, 5)
        os.kill(own_redis.pid, signal.SIGCONT)
        assert await store.claim_codes("", ["bbbb"], 42) == [42], "the late reply of another claim"
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)
        await store.close()
