"""An HTTP gateway on 127.0.0.1 that keeps what it got and answers as the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.Response]]


class Receiver:
    """`got` has the body of each request, `keys` its idempotency key; `answer` is for the next ones."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self.answer: Answer = _take
        self.url = ""
        self._at_once = 0
        self._news = asyncio.Event()

    async def receive(self, request: web.Request) -> web.Response:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            body = await request.json()
            self.got.append(body)
            self.keys.append(request.headers["Idempotency-Key"])
            self.headers.append(dict(request.headers))
            self._news.set()
            return await self.answer(request, body)
        finally:
            self._at_once -= 1

    async def wait_for(self, requests: int) -> None:
        async with asyncio.timeout(180):
            while len(self.got) < requests:
                self._news.clear()
                await self._news.wait()


async def _take(_request: web.Request, body: dict[str, Any]) -> web.Response:
    return web.json_response({"messageId": f"gw-{body['id']}"}, status=202)


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/send", receiver.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/send"
    try:
        yield receiver
    finally:
        await runner.cleanup()
