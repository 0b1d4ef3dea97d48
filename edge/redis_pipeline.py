"""One raw connection to Redis for look-ups: one write a loop tick, replies first in, first out.

Invariants:

1. A reply belongs to the oldest command that has none yet, and to nothing else. A sent command is never
   cancelled: whoever lost interest in it ignores its reply. News is handed out after the replies that came
   before it, and before those that came after.
2. At the first doubt (an error reply, a reply of a type that was not asked for, bytes that do not parse, a
   reply nobody waits for) the connection is dropped, and no later byte of it is read.
3. `on_lost` is called once, whatever ended the connection.

Of a node of a cluster two things differ: a reply that sends us to another node, or tells us to come later, is
handed out as the `hiredis.ReplyError` that it is; and commands that are lost with their connection are
answered by `UNANSWERED`, after `on_lost`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, cast

import hiredis

from edge.redis_address import RedisAddress

OnReply = Callable[[Any, Any], None]
OnReplies = Callable[[list[Any], list[Any]], None]
UNANSWERED: Final = object()
"""In place of a reply that never came."""

_OF_CLUSTERS: Final = ("MOVED ", "ASK ", "TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN")


class RedisDoubtError(Exception):
    """Redis said what was not asked for; the connection can't be trusted any further."""


class PipelineOwner(Protocol):
    """Whom a pipeline reports to."""

    def on_invalidated(self, keys: Sequence[bytes] | None) -> None:
        """These keys were written or deleted; None: any key may have been."""
        ...

    def on_replies_read(self, waited_s: float) -> None:
        """All replies that came together have been handed out; the first of them took `waited_s`."""
        ...

    def on_lost(self, reason: str) -> None:
        """The connection is gone, and its unanswered commands with it."""
        ...


def encode_command(*words: bytes) -> bytes:
    """A command in Redis's protocol."""
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


class RedisPipeline(asyncio.Protocol):
    """See the module. Open one by `open_pipeline`."""

    def __init__(
        self, owner: PipelineOwner, loop: asyncio.AbstractEventLoop, *, in_cluster: bool = False
    ) -> None:
        self._owner = owner
        self._in_cluster = in_cluster
        self._loop = loop
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        # What takes the replies; the key, or those of many commands; when they were sent; if they are many.
        self._expected: deque[tuple[Callable[[Any, Any], None], Any, float, bool]] = deque()
        self._tick_time = 0.0
        self._is_lost = False

    def send(self, command: bytes, on_reply: OnReply, key: object) -> None:
        """Send with the tick's other commands; `on_reply(key, reply)` comes unless the connection is lost.

        `on_reply` raises `RedisDoubtError` for a reply that can't be.
        """
        if not self._unsent:
            self._loop.call_soon(self._write)
            self._tick_time = self._loop.time()
        self._unsent.append(command)
        self._expected.append((on_reply, key, self._tick_time, False))

    def send_many(self, commands: bytes, on_replies: OnReplies, keys: list[Any]) -> None:
        """Send at once what is one command for each of the keys, behind what is to be sent already.

        `on_replies` is called with some of the keys and as many replies, in order, until all are answered,
        unless the connection is lost. It raises as `send`'s `on_reply` does.
        """
        self._tick_time = self._loop.time()
        self._unsent.append(commands)
        self._expected.append((on_replies, keys, self._tick_time, True))
        self._write()

    async def call(self, *words: bytes) -> object:
        """The reply of one command. Raises `RedisDoubtError` where the connection was dropped."""
        answered: asyncio.Future[object] = self._loop.create_future()
        self.send(encode_command(*words), _set_result, answered)
        return await answered

    def oldest_wait_s(self) -> float:
        """Seconds for which the oldest unanswered command has been waiting; 0 when none is."""
        return self._loop.time() - self._expected[0][2] if self._expected else 0.0

    def drop(self, reason: str) -> None:
        """End the connection at once. Its unanswered commands are never answered."""
        if self._is_lost:
            return
        self._is_lost = True
        if self._transport is not None:
            self._transport.abort()
        unanswered, self._expected = self._expected, deque()
        for on_reply, key, *_ in unanswered:
            if on_reply is _set_result and not key.done():
                key.set_exception(RedisDoubtError(reason))
        self._owner.on_lost(reason)
        if self._in_cluster:
            for on_reply, key, _, is_many in unanswered:
                if on_reply is not _set_result:
                    on_reply(key, [UNANSWERED] * len(key) if is_many else UNANSWERED)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def connection_lost(self, exc: Exception | None) -> None:
        self.drop(str(exc) if exc else "the connection was closed")

    def data_received(self, data: bytes) -> None:
        if self._is_lost:
            return
        waited_s = self.oldest_wait_s()
        gets = self._reader.gets
        replies: list[Any] = []
        try:
            self._reader.feed(data)
            while (reply := gets()) is not False:
                if type(reply) is bytes:  # as nearly all of them
                    replies.append(reply)
                elif type(reply) is hiredis.PushNotification:
                    self._hand_out(replies)
                    replies = []
                    self._take_push(reply)
                elif isinstance(reply, hiredis.ReplyError) and not self._is_of_cluster(reply):
                    self._hand_out(replies)
                    raise RedisDoubtError(str(reply))  # noqa: TRY301 - every doubt ends at the one place below
                else:
                    replies.append(reply)
            self._hand_out(replies)
        except RedisDoubtError as doubt:
            self.drop(str(doubt))
        except hiredis.ProtocolError as error:
            self.drop(f"its bytes do not parse: {error}")
        finally:  # whatever went wrong, who was answered before it is not to wait
            self._owner.on_replies_read(waited_s)

    def _hand_out(self, replies: list[Any]) -> None:
        at = 0
        while at < len(replies):
            if not self._expected:
                raise RedisDoubtError("a reply came that no command waits for")
            on_reply, key, sent_at, is_many = self._expected.popleft()
            if not is_many:
                on_reply(key, replies[at])
                at += 1
                continue
            come = replies[at : at + len(key)]
            at += len(come)
            if len(come) < len(key):
                self._expected.appendleft((on_reply, key[len(come) :], sent_at, True))
                key = key[: len(come)]
            on_reply(key, come)

    def _is_of_cluster(self, error: Exception) -> bool:
        return self._in_cluster and str(error).startswith(_OF_CLUSTERS)

    def _take_push(self, push: list[Any]) -> None:
        if len(push) != 2 or push[0] != b"invalidate":
            raise RedisDoubtError(f"an unexpected push: {push[:1]!r}")
        self._owner.on_invalidated(push[1])

    def _write(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and not self._is_lost and self._transport is not None:
            self._transport.write(b"".join(unsent))


def _set_result(answered: asyncio.Future[object], reply: object) -> None:
    if not answered.done():
        answered.set_result(reply)


async def open_pipeline(
    address: RedisAddress,
    owner: PipelineOwner,
    *,
    tracked_prefixes: Sequence[bytes],
    in_cluster: bool = False,
) -> RedisPipeline:
    """Connect, log in, choose the database and ask to be told of every change to keys with a prefix.

    Raises `OSError` or `RedisDoubtError`. Give it a deadline by `asyncio.timeout`.
    """
    loop = asyncio.get_running_loop()
    pipeline = RedisPipeline(owner, loop, in_cluster=in_cluster)
    if address.path is not None:
        await loop.create_unix_connection(lambda: pipeline, address.path)
    else:
        await loop.create_connection(lambda: pipeline, address.host, address.port, ssl=address.tls_context())
    try:
        prefixes = (word for prefix in tracked_prefixes for word in (b"PREFIX", prefix))
        login = () if address.password is None else (address.username.encode(), address.password.encode())
        await asyncio.gather(  # in one round trip: a Redis that is far away is no reason to give up on it
            pipeline.call(b"HELLO", b"3", *((b"AUTH", *login) if login else ())),
            pipeline.call(b"SELECT", b"%d" % address.database),
            pipeline.call(b"CLIENT", b"TRACKING", b"ON", b"BCAST", *prefixes),
        )
    except BaseException:
        pipeline.drop("the handshake failed")
        raise
    return pipeline
