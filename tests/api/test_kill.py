"""kill -9 of the program under load: what was answered holds, and Redis and the catalogue agree."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.processes import WITHIN_S, Program
from tests.fixtures.redis import RedisServer

KILLS = 3


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
