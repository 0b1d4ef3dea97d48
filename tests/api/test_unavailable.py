"""What is down is said with a 503, and a retry mends what was half done."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.rebuild import rebuild_link_store
from edge.contract import Settings, open_link_store
from ingest.contract import Warehouse, WarehouseUnavailableError
from tests.api.conftest import DOMAIN, RunningApi
from tests.fixtures.redis import RedisServer

BODY = {"destination_url": "https://www.example.com/"}


class CutWarehouse:
    """The real warehouse behind a line that can be cut."""

    def __init__(self, inner: Warehouse) -> None:
        self._inner = inner
        self.down = False

    def __getattr__(self, name: str) -> Any:
        if self.down:
            raise WarehouseUnavailableError("the line is cut")
        return getattr(self._inner, name)


@pytest.fixture
def cut_warehouse(warehouse: Warehouse) -> CutWarehouse:
    return CutWarehouse(warehouse)


@pytest.fixture
async def fragile_api(
    tmp_path: Path, own_redis: RedisServer, cut_warehouse: CutWarehouse
) -> AsyncIterator[RunningApi]:
    """An API whose Redis and whose warehouse can be taken away."""
    settings = Settings(data_dir=tmp_path, redis_url=own_redis.url, default_domain=DOMAIN, _env_file=None)
    api = RunningApi(settings, open_link_store(own_redis.url), cut_warehouse)  # type: ignore[arg-type] # by __getattr__
    await api.start()
    yield api
    await api.close()


def assert_unavailable(answer: httpx.Response, what: str) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/unavailable"
    assert what in answer.json()["detail"]


async def until_not_503(ask: Callable[[], Any]) -> httpx.Response:
    """Ask again until the neighbour is back: old connections may fail once each."""
    async with asyncio.timeout(180):
        while True:
            answer: httpx.Response = await ask()
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(0.01)  # as a client would after Retry-After


async def test_without_redis_links_can_be_listed_but_not_changed(
    fragile_api: RunningApi, own_redis: RedisServer
) -> None:
    client = fragile_api.client
    link = await fragile_api.make(name="kept")
    path = f"/v1/links/{link['id']}"
    own_redis.stop()
    assert_unavailable(await client.post("/v1/links", json={**BODY, "code": "Later"}), "Redis")
    assert_unavailable(await client.patch(path, json={"name": "x"}), "Redis")
    assert_unavailable(await client.delete(path), "Redis")
    assert_unavailable(await client.get(path), "Redis")
    assert_unavailable(
        await client.post(f"{path}/recipients", json={"recipients": [{"recipient": "a"}]}), "Redis"
    )
    assert [one["name"] for one in (await client.get("/v1/links")).json()["data"]] == ["kept"]
    assert (await client.get("/v1/stats")).status_code == 200


async def test_an_emptied_redis_is_no_reason_to_give_numbers_anew(
    fragile_api: RunningApi, own_redis: RedisServer
) -> None:
    link = await fragile_api.make()
    own_redis.flush()
    assert_unavailable(await fragile_api.client.get(f"/v1/links/{link['id']}"), "Redis")
    assert_unavailable(await fragile_api.client.post("/v1/links", json=BODY), "Redis")
    assert_unavailable(await fragile_api.client.get("/v1/domains"), "Redis")
    assert_unavailable(await fragile_api.client.post("/v1/domains", json={"host": "a.example.com"}), "Redis")


async def test_a_domain_that_could_not_be_made_is_not_there_later(
    fragile_api: RunningApi, cut_warehouse: CutWarehouse
) -> None:
    client, host = fragile_api.client, "go.example.com"

    def make() -> Any:
        return client.post("/v1/domains", json={"host": host})

    cut_warehouse.down = True
    assert_unavailable(await make(), "warehouse")
    cut_warehouse.down = False
    await fragile_api.outbox.settle()
    assert (await client.get(f"/v1/domains/{host}")).status_code == 404
    assert (await make()).status_code == 201
    assert (await fragile_api.make(domain=host))["domain"] == host


async def test_without_the_warehouse_nothing_is_half_done(
    fragile_api: RunningApi, cut_warehouse: CutWarehouse
) -> None:
    client = fragile_api.client
    link = await fragile_api.make(name="old")
    path = f"/v1/links/{link['id']}"
    recipients = {"recipients": [{"recipient": "alice"}]}

    def make() -> Any:
        return client.post("/v1/links", json={**BODY, "code": "Custom"})

    cut_warehouse.down = True
    assert_unavailable(await client.get("/v1/links"), "warehouse")
    assert_unavailable(await client.get(f"{path}/stats"), "warehouse")
    assert_unavailable(await make(), "warehouse")
    assert_unavailable(await make(), "warehouse")
    assert_unavailable(await client.patch(path, json={"name": "new"}), "warehouse")
    assert_unavailable(await client.post(f"{path}/recipients", json=recipients), "warehouse")
    cut_warehouse.down = False
    made = await make()
    assert made.status_code == 201, "the code of the failed attempt is free again"
    assert (await client.patch(path, json={"name": "new"})).json()["name"] == "new"
    assert (await client.post(f"{path}/recipients", json=recipients)).status_code == 200
    listed = (await client.get("/v1/links", params={"sort": "name"})).json()["data"]
    assert sorted(one["id"] for one in listed) == sorted([link["id"], made.json()["id"]])
    assert fragile_api.outbox.backlog == 0


async def test_a_delete_that_met_a_dead_warehouse_is_done_later(
    fragile_api: RunningApi, cut_warehouse: CutWarehouse
) -> None:
    link = await fragile_api.make(code="Stop")
    number = await fragile_api.link_store.resolve("", "Stop")
    assert number is not None
    cut_warehouse.down = True
    assert_unavailable(await fragile_api.client.delete(f"/v1/links/{link['id']}"), "warehouse")
    fields = await fragile_api.link_store.fields(number)
    assert b"destination" not in fields, "the redirect has stopped all the same"
    cut_warehouse.down = False
    assert (await fragile_api.client.delete(f"/v1/links/{link['id']}")).status_code == 404
    assert (await fragile_api.client.get("/v1/links")).json()["data"] == []


async def test_a_stream_says_in_its_lines_what_is_down(
    fragile_api: RunningApi, own_redis: RedisServer
) -> None:
    link = await fragile_api.make()
    path = f"/v1/links/{link['id']}/recipients"
    ndjson = {"Content-Type": "application/x-ndjson"}
    chunks = [
        b"".join(b'{"recipient": "%d"}\n' % number for number in range(5000)),
        b'{"recipient": "last"}\n',
    ]

    async def body() -> AsyncIterator[bytes]:
        yield chunks[0]
        await first_chunk_is_minted.wait()
        own_redis.stop()
        yield chunks[1]

    first_chunk_is_minted = asyncio.Event()

    async def watch() -> None:
        while not fragile_api.registry.get_sample_value(  # noqa: ASYNC110 - a counter has no event
            "smartlinks_api_codes_minted_total"
        ):
            await asyncio.sleep(0.01)
        first_chunk_is_minted.set()

    watching = asyncio.create_task(watch())
    answer = await fragile_api.client.post(path, content=body(), headers=ndjson)
    await watching
    lines = answer.text.splitlines()
    assert len(lines) == 5001
    assert '"code":' in lines[4999]
    assert '"status":503' in lines[5000]


async def test_redis_that_comes_back_is_used_again(fragile_api: RunningApi, own_redis: RedisServer) -> None:
    own_redis.stop()
    assert_unavailable(await fragile_api.client.post("/v1/links", json=BODY), "Redis")
    own_redis.start()
    await rebuild_link_store(fragile_api.link_store, fragile_api.catalogue)  # as the program does each second
    answer = await until_not_503(lambda: fragile_api.client.post("/v1/links", json=BODY))
    assert answer.status_code == 201
