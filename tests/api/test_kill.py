"""kill -9 of the program under load: what was answered holds, and Redis and the catalogue agree."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer

KILLS = 3
WITHIN_S = 90
KEY = "kill-drill-key-0123456789"

PROGRAM = """
import asyncio
from aggregator.contract import migrate
from api.contract import run
from edge.contract import load
from ingest.contract import open_warehouse

settings = load(_env_file=None)
warehouse = open_warehouse(None, folder=settings.warehouse_dir)
migrate(warehouse)
asyncio.run(run(settings, warehouse, asyncio.Event()))
"""


class Program:
    """The api program with chDB in a process of its own."""

    def __init__(self, data_dir: Path, redis_url: str, **environment: str) -> None:
        self.api_port = free_port()
        self.metrics_port = free_port() - 3
        self._environment = {
            **os.environ,
            "SMARTLINKS_DATA_DIR": str(data_dir),
            "SMARTLINKS_REDIS_URL": redis_url,
            "SMARTLINKS_API_PORT": str(self.api_port),
            "SMARTLINKS_METRICS_PORT": str(self.metrics_port),
            "SMARTLINKS_ADMIN_KEY": KEY,
            **environment,
        }

    @contextmanager
    def life(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """From readiness to kill -9. Python runs `command` in place of the program above."""
        with self.start(*(command or ("-c", PROGRAM))) as process:
            try:
                self.wait_until_ready(process)
                yield process
            finally:
                process.kill()

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Python with these arguments, on this program's settings."""
        root = Path(__file__).parents[2]
        return subprocess.Popen([sys.executable, *command], cwd=root, env=self._environment)

    def wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            assert process.poll() is None, "the program ended"
            try:
                answer = httpx.get(f"http://127.0.0.1:{self.metrics_port + 3}/readyz", timeout=WITHIN_S)
            except httpx.TransportError:
                time.sleep(0.05)  # nothing to wait on until it listens
            else:
                if answer.status_code == 200:
                    return
        pytest.fail("the program is not ready in time")

    def connect(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.api_port}", headers={"Key": KEY}, timeout=WITHIN_S
        )


class Answered:
    """What the program answered for, over all its lives."""

    def __init__(self) -> None:
        self.links: dict[str, dict[str, Any]] = {}
        self.codes: dict[tuple[str, str], str] = {}

    async def load(self, client: httpx.AsyncClient, worker: str) -> None:
        """Make links, change them and mint codes until the program is gone."""
        try:
            for number in range(1_000_000):
                body = {"destination_url": "https://www.example.com/", "name": f"{worker}-{number}"}
                link = (await client.post("/v1/links", json=body)).raise_for_status().json()
                self.links[link["id"]] = link
                recipients = {"recipients": [{"recipient": f"{worker}-{one}"} for one in range(20)]}
                path = f"/v1/links/{link['id']}"
                minted = (await client.post(f"{path}/recipients", json=recipients)).raise_for_status()
                for one in minted.json()["data"]:
                    self.codes[link["id"], one["recipient"]] = one["code"]
                patched = await client.patch(path, json={"campaign": "patched"})
                self.links[link["id"]] = patched.raise_for_status().json()
        except httpx.TransportError:
            return

    async def check(self, client: httpx.AsyncClient) -> None:
        """Hold all that was answered to what is there now."""
        listed: dict[str, dict[str, Any]] = {}
        cursor = None
        while True:
            parameters = {"limit": "200", **({"cursor": cursor} if cursor else {})}
            page = (await client.get("/v1/links", params=parameters)).raise_for_status().json()
            listed |= {link["id"]: link for link in page["data"]}
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert set(self.links) <= set(listed)
        assert len({link["code"] for link in listed.values()}) == len(listed)
        for link_id, link in listed.items():
            read = (await client.get(f"/v1/links/{link_id}")).raise_for_status().json()
            assert read == link, "Redis and the catalogue agree"
            if self.links.get(link_id, {}).get("campaign"):
                assert link["campaign"] == "patched"
        for link_id in self.links:
            known = {recipient: code for (of, recipient), code in self.codes.items() if of == link_id}
            if known:
                again = await client.post(
                    f"/v1/links/{link_id}/recipients",
                    json={"recipients": [{"recipient": recipient} for recipient in known]},
                )
                assert [one["code"] for one in again.raise_for_status().json()["data"]] == list(
                    known.values()
                )


@pytest.mark.drill
async def test_what_was_answered_survives_kill_9(tmp_path: Path, own_redis: RedisServer) -> None:
    program, answered = Program(tmp_path, own_redis.url), Answered()
    for life in range(KILLS):
        with program.life() as process:
            async with program.connect() as client:
                before = len(answered.links)
                working = [
                    asyncio.create_task(answered.load(client, f"{life}-{worker}")) for worker in range(4)
                ]
                async with asyncio.timeout(WITHIN_S):
                    while len(answered.links) < before + 25:  # noqa: ASYNC110 - the load has no event to wait on
                        await asyncio.sleep(0.01)
                process.send_signal(signal.SIGKILL)
                await asyncio.gather(*working)
    with program.life():
        async with program.connect() as client:
            await answered.check(client)
    assert len(answered.links) >= KILLS * 25
