"""Api programs of two versions on one Redis: side by side where they agree, else one after the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.contract import run
from api.conventions.shared_state import SharedState
from api.side_by_side import Membership, OtherProgramsError
from edge.contract import Settings
from ingest.contract import Warehouse
from tests.api.test_program import WITHIN_S, until_ready
from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer


@asynccontextmanager
async def running(folder: Path, redis: RedisServer, warehouse: Warehouse) -> AsyncIterator[Settings]:
    settings = Settings(
        data_dir=folder,
        redis_url=redis.url,
        api_port=free_port(),
        metrics_port=free_port() - 3,
        _env_file=None,
    )
    stop = asyncio.Event()
    program = asyncio.create_task(run(settings, warehouse, stop))
    try:
        yield settings
    finally:
        stop.set()
        await asyncio.wait_for(program, WITHIN_S)


async def until_it_waits_for_another(settings: Settings) -> None:
    async with asyncio.timeout(WITHIN_S):
        while "waiting for 1 api programs" not in await until_ready(settings, 503):  # noqa: ASYNC110 - over HTTP there is no event
            await asyncio.sleep(0.02)  # first it is starting


async def test_a_version_that_shares_other_things_waits_until_the_old_ones_have_ended(
    tmp_path: Path, own_redis: RedisServer, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "old", own_redis, warehouse) as old:
        await until_ready(old)
        async with running(tmp_path / "same", own_redis, warehouse) as same:
            await until_ready(same)
        monkeypatch.setattr("api.side_by_side.AGREEMENT", 2)
        async with running(tmp_path / "given up", own_redis, warehouse) as new:
            await until_it_waits_for_another(new)
        coming = running(tmp_path / "new", own_redis, warehouse)
        new = await coming.__aenter__()
        await until_it_waits_for_another(new)
    await until_ready(new)
    await coming.__aexit__(None, None, None)


async def test_a_program_that_was_silent_while_another_version_came_ends(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_state, lost = SharedState(own_redis.url), asyncio.Event()
    monkeypatch.setattr("api.side_by_side.RENEWAL_S", 0.01)
    old = Membership(shared_state)
    await old.join()
    monkeypatch.setattr("api.side_by_side.AGREEMENT", 2)
    new = Membership(shared_state)
    with pytest.raises(OtherProgramsError, match="end them"):
        await new.join()
    monkeypatch.setattr("api.side_by_side.LEASE_S", -1)  # as if the old one had been silent for so long
    await new.join()
    monkeypatch.setattr("api.side_by_side.LEASE_S", 10)
    await old.keep(lost.set)
    assert lost.is_set()
    await new.leave()
    await old.join()
    await shared_state.close()
