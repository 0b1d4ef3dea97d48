"""The program: ready when it serves, itself again when Redis is, gone when told to stop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.contract import admin_key, run
from edge.contract import Settings, SettingsError
from ingest.contract import Warehouse
from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer

WITHIN_S = 180


@pytest.fixture
def settings(tmp_path: Path, own_redis: RedisServer) -> Settings:
    return Settings(
        data_dir=tmp_path,
        redis_url=own_redis.url,
        api_port=free_port(),
        metrics_port=free_port() - 3,
        _env_file=None,
    )


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    key, _ = admin_key(settings)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{settings.api_port}", headers={"Key": key}, timeout=WITHIN_S
    ) as client:
        yield client


async def readiness(settings: Settings) -> tuple[int, str]:
    url = f"http://127.0.0.1:{settings.metrics_port + 3}/readyz"
    async with httpx.AsyncClient(timeout=WITHIN_S) as client:
        try:
            answer = await client.get(url)
        except httpx.TransportError:
            return 0, ""
        return answer.status_code, answer.text


async def until_ready(settings: Settings, status: int = 200) -> str:
    async with asyncio.timeout(WITHIN_S):
        while True:
            found, text = await readiness(settings)
            if found == status:
                return text
            await asyncio.sleep(0.02)  # readiness is asked for, as a supervisor does


async def test_it_serves_until_it_is_stopped_and_keeps_what_was_made(
    settings: Settings, warehouse: Warehouse, client: httpx.AsyncClient
) -> None:
    for life in (1, 2):
        stop = asyncio.Event()
        running = asyncio.create_task(run(settings, warehouse, stop))
        await until_ready(settings)
        made = await client.post("/v1/links", json={"destination_url": "https://www.example.com/"})
        assert made.status_code == 201
        assert made.json()["short_url"].startswith("http://localhost:8080/")
        assert len((await client.get("/v1/links")).json()["data"]) == life
        async with httpx.AsyncClient(timeout=WITHIN_S) as other:
            metrics = await other.get(f"http://127.0.0.1:{settings.metrics_port + 3}/metrics")
        assert (
            'smartlinks_api_requests_total{method="POST",route="/v1/links",status="201"} 1.0' in metrics.text
        )
        stop.set()
        await asyncio.wait_for(running, WITHIN_S)
        assert (await readiness(settings))[0] == 0
        assert not list(settings.outbox_dir.iterdir())


async def test_it_waits_for_redis_and_says_so(
    settings: Settings, warehouse: Warehouse, client: httpx.AsyncClient, own_redis: RedisServer
) -> None:
    own_redis.stop()
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, warehouse, stop))
    assert "api" in await until_ready(settings, 503)
    own_redis.start()
    await until_ready(settings)
    assert (await client.get("/v1/links")).status_code == 200
    stop.set()
    await asyncio.wait_for(running, WITHIN_S)


async def test_it_can_be_stopped_while_it_waits(
    settings: Settings, warehouse: Warehouse, own_redis: RedisServer
) -> None:
    own_redis.stop()
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, warehouse, stop))
    await until_ready(settings, 503)
    stop.set()
    await asyncio.wait_for(running, WITHIN_S)


async def test_a_redis_that_is_emptied_meanwhile_is_filled_again(
    settings: Settings, warehouse: Warehouse, client: httpx.AsyncClient, own_redis: RedisServer
) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, warehouse, stop))
    await until_ready(settings)
    made = await client.post(
        "/v1/links", json={"destination_url": "https://www.example.com/", "code": "Back"}
    )
    own_redis.flush()
    async with asyncio.timeout(WITHIN_S):
        path = f"/v1/links/{made.json()['id']}"
        while (await client.get(path)).status_code == 503:  # noqa: ASYNC110 - over HTTP there is no event
            await asyncio.sleep(0.02)  # as Retry-After tells clients to
    again = await client.post(
        "/v1/links", json={"destination_url": "https://www.example.com/", "code": "Back"}
    )
    assert again.status_code == 409
    stop.set()
    await asyncio.wait_for(running, WITHIN_S)


async def test_without_redis_url_it_does_not_start(tmp_path: Path, warehouse: Warehouse) -> None:
    with pytest.raises(SettingsError, match="SMARTLINKS_REDIS_URL"):
        await run(Settings(data_dir=tmp_path, _env_file=None), warehouse, asyncio.Event())


async def test_a_taken_port_is_an_error_and_not_an_exit(settings: Settings, warehouse: Warehouse) -> None:
    with socket.create_server(("127.0.0.1", settings.api_port)), pytest.raises(OSError, match="in use"):
        await run(settings, warehouse, asyncio.Event())
