"""One more worker of the edge, the very same code, whose clock the demo sets: so clicks lie in the past.

It uses the running system's Redis and spool folder, and listens on a loopback port of its own.
"""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from deploy.demo.campaign import Click
from deploy.standalone.ports import free_port
from edge.contract import Settings, serve_edge

LANGUAGES: Final = "en-GB,en;q=0.9"  # every browser names some; who names none is taken for a machine
_HOST: Final = "127.0.0.1"
_LOOPBACK: Final = ipaddress.ip_network("127.0.0.0/8")


class WrongAnswerError(Exception):
    """The edge answered a click otherwise than its link says."""


class PastEdge:
    """Sends clicks one after the other, each at its own time."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.now_ms = 0
        self._session = session

    async def click(self, short_url: str, click: Click) -> str:
        """The destination that the edge answers with. Raises `WrongAnswerError` where it is no redirect."""
        parts = urlsplit(short_url)
        self.now_ms = click.at_ms
        languages = {"Accept-Language": LANGUAGES} if click.agent.verdict == "human" else {}
        headers = {
            **languages,
            **click.headers,
            "Host": parts.netloc,
            "User-Agent": click.agent.user_agent,
            "X-Forwarded-For": click.place.address,
        }
        async with self._session.request(
            click.method, parts.path, headers=headers, allow_redirects=False
        ) as answer:
            if answer.status != 302:
                raise WrongAnswerError(f"{short_url} answered {answer.status}")
            return answer.headers["Location"]


@asynccontextmanager
async def open_past_edge(settings: Settings) -> AsyncIterator[PastEdge]:
    """Runs while the block does; every click of it is in the spool afterwards.

    It trusts the demo as a proxy, so that `X-Forwarded-For` carries the clicks' addresses.
    """
    trusting = settings.model_copy(update={"trusted_proxies": (_LOOPBACK,)})
    port = free_port(_HOST)
    stop, ready = asyncio.Event(), asyncio.Event()

    def tell(reason: str | None) -> None:
        (ready.clear if reason else ready.set)()

    # The empty user agent is sent as such, not replaced by the client's own.
    async with aiohttp.ClientSession(
        f"http://{_HOST}:{port}", skip_auto_headers=("User-Agent", "Accept-Encoding")
    ) as session:
        edge = PastEdge(session)
        worker = asyncio.create_task(
            serve_edge(
                trusting, host=_HOST, port=port, stop=stop, clock_ms=lambda: edge.now_ms, on_readiness=tell
            )
        )
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([worker, waiting], return_when=asyncio.FIRST_COMPLETED)
        if worker.done():
            worker.result()
        try:
            yield edge
        finally:
            waiting.cancel()
            await session.close()
            stop.set()
            await worker
