"""Recipients by the thousand: each asks for one code after the other, and hangs up at random."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable

_LENGTH = re.compile(rb"Content-Length: ([0-9]+)\r\n")


class Crowd:
    """So many requests in all, over so many connections; what was answered, by status.

    `destination` says what a code's `Location` must be; `wrong` is each answer that was not so.
    """

    def __init__(
        self,
        port: int,
        codes: list[str],
        destination: Callable[[str], str],
        *,
        requests: int,
        hang_up: float,
        seed: int = 1,
    ) -> None:
        self.statuses: Counter[int] = Counter()
        self.hung_up = 0
        self.wrong: list[tuple[str, bytes]] = []
        self.left = requests
        self.codes, self.destination, self.hang_up = codes, destination, hang_up
        self.chance = random.Random(seed)
        self._port = port
        self._done = asyncio.Event()
        self._open = 0

    async def run(self, connections: int) -> None:
        for _ in range(connections):
            await self._connect()
        await self._done.wait()

    def closed(self) -> None:
        """A connection is gone: another comes in its place while there is something left to ask."""
        self._open -= 1
        if self.left > 0:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        elif self._open == 0:
            self._done.set()

    async def _connect(self) -> None:
        self._open += 1
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: _Recipient(self), "127.0.0.1", self._port
            )
        except OSError:
            await asyncio.sleep(0.05)  # the pace of trying again
            self.closed()


class _Recipient(asyncio.Protocol):
    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._code = ""
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.closed()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        length = _LENGTH.search(head)
        if length is None or len(body) < int(length[1]):
            return
        crowd = self._crowd
        status = int(head[9:12])
        crowd.statuses[status] += 1
        expected = b"\r\nLocation: %b\r\n" % crowd.destination(self._code).encode()
        if len(body) > int(length[1]) or (status == 302) != (expected in head):
            crowd.wrong.append((self._code, head))
        self._received = b""
        self._ask()

    def _ask(self) -> None:
        crowd, chance = self._crowd, self._crowd.chance
        if crowd.left <= 0:
            self._transport.close()
            return
        crowd.left -= 1
        self._code = chance.choice(crowd.codes)
        request = b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % self._code.encode()
        if chance.random() >= crowd.hang_up:
            self._transport.write(request)
            return
        crowd.hung_up += 1
        self._transport.write(request[: chance.randrange(1, len(request) * 2)])  # half of them are whole
        asyncio.get_running_loop().call_later(chance.choice((0, 0.0002, 0.002)), self._transport.abort)
