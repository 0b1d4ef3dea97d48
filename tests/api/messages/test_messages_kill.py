"""What was answered as queued reaches the gateway, though the program is killed again and again."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.api.messages.receiver import Receiver
from tests.api.processes import Program
from tests.fixtures.redis import RedisServer

KILLS = 2
WITHIN_S = 180
BODY = {
    "from": "12233",
    "to": [f"+447700900{number:03d}" for number in range(20)],
    "content": "See https://www.example.com/spring",
    "shortenUrls": True,
}


async def send(client: httpx.AsyncClient, answered: list[str]) -> None:
    """Send until the program is gone."""
    try:
        while True:
            answer = (await client.post("/v1/sms/messages", json=BODY)).raise_for_status().json()
            answered += [message["id"] for message in answer["messages"]]
    except httpx.TransportError:
        return


@pytest.mark.drill
async def test_what_was_queued_survives_kill_9(
    tmp_path: Path, own_redis: RedisServer, receiver: Receiver
) -> None:
    is_over = asyncio.Event()
    received = 0

    async def answer_ten(_request: web.Request, _body: dict[str, Any]) -> web.Response:
        if len(receiver.got) > received + 10:
            await is_over.wait()  # so that a backlog is there when the program dies
        return web.Response()

    receiver.answer = answer_ten
    program, answered = Program(tmp_path, own_redis.url), list[str]()
    program._environment["SMARTLINKS_SMS_GATEWAY_URL"] = receiver.url
    for _ in range(KILLS):
        before, received = len(answered), len(receiver.got)
        with program.life() as process:
            async with program.connect() as client:
                sending = [asyncio.create_task(send(client, answered)) for _ in range(3)]
                async with asyncio.timeout(WITHIN_S):
                    while len(answered) < before + 100 or len(receiver.got) < received + 10:  # noqa: ASYNC110 - no event
                        await asyncio.sleep(0.01)
                process.send_signal(signal.SIGKILL)
                await asyncio.gather(*sending)
    receiver.answer = Receiver().answer
    is_over.set()
    assert len(answered) > len(set(receiver.keys)), "there is a backlog"
    with program.life():
        async with program.connect() as client, asyncio.timeout(2 * WITHIN_S):
            while not set(answered) <= set(receiver.keys):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
            page = {"data": [None]}
            while page["data"]:
                page = (await client.get("/v1/sms/messages?status=queued")).raise_for_status().json()
                await asyncio.sleep(0.05)
    contents = {body["id"]: body["content"] for body in receiver.got}
    assert all(contents[body["id"]] == body["content"] for body in receiver.got), "a repeat says the same"
    assert len(set(contents.values())) == len(contents), "a short URL of its own for each"
