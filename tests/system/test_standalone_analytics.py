"""The analytics process: its programs end together."""

import asyncio
import logging
from pathlib import Path
from typing import cast

import pytest

from deploy.standalone.analytics import ProgramEndedError, Run, run_until
from edge.contract import Settings
from ingest.contract import Warehouse

NO_WAREHOUSE = cast("Warehouse", None)  # these programs use none


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def draining(drained: list[str], name: str) -> Run:
    async def run(_settings: Settings, _warehouse: Warehouse, stop: asyncio.Event) -> None:
        await stop.wait()
        drained.append(name)

    return run


async def ends(_settings: Settings, _warehouse: Warehouse, _stop: asyncio.Event) -> None:
    return


async def fails(_settings: Settings, _warehouse: Warehouse, _stop: asyncio.Event) -> None:
    raise RuntimeError("disk on fire")


async def hangs(_settings: Settings, _warehouse: Warehouse, _stop: asyncio.Event) -> None:
    await asyncio.Event().wait()


async def test_on_stop_all_drain(settings: Settings) -> None:
    drained: list[str] = []
    stop = asyncio.Event()
    runs = {name: draining(drained, name) for name in ("ingest", "aggregator", "api")}
    running = asyncio.create_task(run_until(stop, settings, NO_WAREHOUSE, runs))
    await asyncio.sleep(0)
    stop.set()
    await running
    assert sorted(drained) == ["aggregator", "api", "ingest"]


async def test_one_that_fails_takes_the_others_down_after_they_drained(settings: Settings) -> None:
    drained: list[str] = []
    runs = {"ingest": fails, "api": draining(drained, "api")}
    with pytest.raises(ProgramEndedError, match="ingest failed") as caught:
        await run_until(asyncio.Event(), settings, NO_WAREHOUSE, runs)
    assert "disk on fire" in str(caught.value.__cause__)
    assert drained == ["api"]


async def test_one_that_just_ends_is_a_failure_too(settings: Settings) -> None:
    drained: list[str] = []
    runs = {"ingest": ends, "api": draining(drained, "api")}
    with pytest.raises(ProgramEndedError, match="ingest ended without being asked to"):
        await run_until(asyncio.Event(), settings, NO_WAREHOUSE, runs)
    assert drained == ["api"]


async def test_one_that_does_not_drain_is_cancelled_and_named(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    stop = asyncio.Event()
    stop.set()
    with caplog.at_level(logging.WARNING):
        await run_until(stop, settings, NO_WAREHOUSE, {"ingest": hangs, "api": draining([], "api")})
    assert "ingest did not drain" in caplog.text
