"""Api processes killed and paused amid minting: others mint on within seconds, and nobody has two codes."""

import asyncio
import os
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

import httpx
import psutil
import pytest

from ingest.contract import Warehouse
from tests.api.conftest import NewProgram
from tests.api.processes import WITHIN_S, Program

BEGIN = "edge.redis_store:RedisLinkStore.begin_mint"
CLAIM = "ingest.apply:LinkEventApplier._claim"
STORE = "ingest.catalogue:Catalogue.add_codes"
# In the order in which a mint passes them. A paused one is overtaken at each, and goes on then.
BLOWS = (
    ("after", BEGIN, "1", "SIGKILL"),
    ("before", STORE, "1", "SIGKILL"),
    ("after", STORE, "1", "SIGKILL"),
    ("before", BEGIN, "1", "SIGSTOP"),
    ("after", BEGIN, "1", "SIGSTOP"),
    ("after", CLAIM, "1", "SIGSTOP"),
    ("before", STORE, "1", "SIGSTOP"),
    ("after", STORE, "1", "SIGSTOP"),
)
RECIPIENTS = {"recipients": [{"recipient": f"+4477009{at:05}"} for at in range(500)]}


@dataclass
class Struck:
    """A program that is struck while it mints for a link of its own."""

    program: Program
    process: BaseProcess
    link_id: str
    is_paused: bool

    async def mint(self, by: Program) -> dict[str, str]:
        """The code of each recipient, as `by` tells."""
        async with by.connect() as client:
            answer = await client.post(f"/v1/links/{self.link_id}/recipients", json=RECIPIENTS)
        return {each["recipient"]: each["code"] for each in answer.raise_for_status().json()["data"]}

    def is_struck(self) -> bool:
        if self.is_paused:
            return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED
        return self.process.exitcode == -signal.SIGKILL


async def test_whoever_dies_or_pauses_amid_a_mint_is_overtaken_and_nobody_has_two_codes(
    new_program: NewProgram, clickhouse: Warehouse
) -> None:
    with ExitStack() as stack:

        def start(program: Program, *blow: str) -> BaseProcess:
            process = program.fork(*blow)
            stack.callback(process.kill)
            return process

        survivor = new_program()
        survivor_process = start(survivor)
        mortals = [new_program() for _ in BLOWS]
        processes = [start(program, *blow) for program, blow in zip(mortals, BLOWS, strict=True)]
        for program, process in zip([survivor, *mortals], [survivor_process, *processes], strict=True):
            await asyncio.to_thread(program.wait_until_ready, process.is_alive)
        async with survivor.connect() as client:
            link_ids = [await make_link(client) for _ in BLOWS]
        all_struck = [
            Struck(program, process, link_id, blow[-1] == "SIGSTOP")
            for program, process, link_id, blow in zip(mortals, processes, link_ids, BLOWS, strict=True)
        ]

        minting = [asyncio.create_task(struck.mint(struck.program)) for struck in all_struck]
        async with asyncio.timeout(WITHIN_S):
            while not all(struck.is_struck() for struck in all_struck):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.02)
        told = await asyncio.gather(*(struck.mint(survivor) for struck in all_struck))

        for struck in all_struck:
            if struck.is_paused:
                os.kill(struck.process.pid or 0, signal.SIGCONT)
            else:
                struck.process = start(struck.program)
        for struck, codes, mint in zip(all_struck, told, minting, strict=True):
            if struck.is_paused:
                assert await mint == codes
            else:
                with pytest.raises(httpx.TransportError):
                    await mint
                await asyncio.to_thread(struck.program.wait_until_ready, struck.process.is_alive)
            assert await struck.mint(struck.program) == codes
    rows = clickhouse.query("SELECT count(), uniqExact(recipient) FROM codes WHERE link != 0 GROUP BY link")
    assert rows == [(500, 500)] * len(BLOWS), "not even a row of another code"


async def make_link(client: httpx.AsyncClient) -> str:
    answer = await client.post("/v1/links", json={"destination_url": "https://www.example.com/"})
    return str(answer.raise_for_status().json()["id"])
