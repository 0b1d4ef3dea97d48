"""uvicorn inside a loop that somebody else runs: no signal handlers, no log format of its own, no exit."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from api.http_protocol import ProblemProtocol

DRAIN_S: Final = 2
BACKLOG: Final = 1024


class Server(uvicorn.Server):
    """Ends when told to, not by a signal: those belong to the program around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 lets the system choose. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Connections inherit it. asyncio would set it on sockets of its own making only, and each answer that is
    # written in two parts would wait for the client's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(app: ASGIApp, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then let requests under way end, for `DRAIN_S` seconds at the most."""
    server = Server(
        uvicorn.Config(
            app,
            http=ProblemProtocol,
            loop="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            ws="none",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_S,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving
