"""Look-ups in one Redis server, over one connection.

Its news (client-side caching, `BCAST`) come on the connection that asks, in order with the replies.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from edge.code_finder import CodeFinder
from edge.code_layout import LAYOUT_KEY
from edge.codes import DOMAINS_KEY, LAST_NUMBER_KEY, RELEASES_KEY, link_key
from edge.domains import Domains
from edge.links import EDGE_FIELDS
from edge.lookups import CONNECT_TIMEOUT_S, LINK_PREFIX, STALL_S, LookupsOwner, changed_links
from edge.redis_address import RedisAddress
from edge.redis_pipeline import RedisDoubtError, RedisPipeline, encode_command, open_pipeline
from edge.redis_state import RedisState
from edge.routing import NOT_FOUND, UNAVAILABLE

RECONNECT_DELAYS_S: Final = (0.0, 0.05, 0.1, 0.2, 0.5)

_TRACKED_PREFIXES: Final = (LINK_PREFIX, LAYOUT_KEY, RELEASES_KEY, DOMAINS_KEY)
_log = logging.getLogger(__name__)


class ServerLookups:
    """The `Lookups` of one server."""

    def __init__(self, address: RedisAddress, owner: LookupsOwner, domains: Domains) -> None:
        self._address = address
        self._owner = owner
        self._state = RedisState(domains, owner.forget_all)
        self._pipeline: RedisPipeline | None = None
        self._finder: CodeFinder | None = None  # of the connection
        self._lost = asyncio.Event()
        self._down_reason: str | None = "not connected to Redis yet"

    @property
    def down_reason(self) -> str | None:
        return self._down_reason

    async def connect(self) -> None:
        self._lost.clear()
        self._state.expect()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                pipeline, is_whole, documents = await self._open()
        except (OSError, RedisDoubtError) as error:
            self._down_reason = f"Redis can't be reached: {str(error) or type(error).__name__}"
            self._owner.on_down(self._down_reason)
        else:
            self._state.begin(pipeline, is_whole, documents)
            self._pipeline = pipeline
            self._finder = CodeFinder(pipeline, self._owner.on_numbers)
            self._down_reason = None
            self._owner.on_connected()
            _log.info("connected to Redis")

    async def run(self) -> None:
        attempt = 0
        while True:
            if self._pipeline is None:
                await self.connect()
            if self._pipeline is None:
                attempt += 1
            else:
                attempt = 0
                await self._watch(self._pipeline)
            await asyncio.sleep(RECONNECT_DELAYS_S[min(attempt, len(RECONNECT_DELAYS_S) - 1)])

    def close(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.drop("the edge is stopping")

    def ask_codes(self, fields: list[bytes]) -> None:
        if self._finder is not None:
            self._finder.ask(fields)

    def ask_link(self, number: int) -> None:
        assert self._pipeline is not None  # we are in its reply
        self._pipeline.send(encode_command(b"HMGET", link_key(number), *EDGE_FIELDS), self._on_link, number)

    def on_invalidated(self, keys: Sequence[bytes] | None) -> None:
        if keys is None:
            self._state.note_emptied()
            self._layout_changed()
            return
        if DOMAINS_KEY in keys:
            self._state.ask_domains()
        if LAYOUT_KEY in keys:
            self._layout_changed()
        if RELEASES_KEY in keys:
            self._owner.forget_codes()
        self._owner.on_links_changed(changed_links(keys))

    def on_replies_read(self, waited_s: float) -> None:
        self._owner.on_replies_read(waited_s)

    def on_lost(self, reason: str) -> None:
        if self._pipeline is None:
            return  # lost within the handshake: `run` sees the error
        self._pipeline = None
        self._finder = None
        self._down_reason = f"the connection to Redis was lost: {reason}"
        self._owner.on_lost(self._down_reason)
        self._lost.set()

    async def _open(self) -> tuple[RedisPipeline, object, object]:
        """A connection, and the replies to what is asked on it first: `EXISTS`, then `HGETALL`."""
        pipeline = await open_pipeline(self._address, self, tracked_prefixes=_TRACKED_PREFIXES)
        try:
            is_whole, documents = await asyncio.gather(
                pipeline.call(b"EXISTS", LAST_NUMBER_KEY), pipeline.call(b"HGETALL", DOMAINS_KEY)
            )
        except BaseException:  # also where its time is up, or the edge stops
            pipeline.drop("what is asked first was not answered")
            raise
        return pipeline, is_whole, documents

    async def _watch(self, pipeline: RedisPipeline) -> None:
        """Return when the connection is lost. One that is silent for too long is dropped."""
        while not self._lost.is_set():
            if pipeline.oldest_wait_s() > STALL_S:
                pipeline.drop(f"no reply for {STALL_S:g} s")
                break
            if pipeline.oldest_wait_s() == 0 or not self._state.is_whole:
                self._state.ask_whether_whole(pipeline)
            try:
                async with asyncio.timeout(STALL_S / 2):
                    await self._lost.wait()
            except TimeoutError:
                continue

    def _layout_changed(self) -> None:
        if self._finder is not None:  # there is none within the handshake: it asks when it is made
            self._finder.ask_layout()

    def _on_link(self, number: int, reply: Any) -> None:
        self._owner.on_link(number, reply, NOT_FOUND if self._state.is_whole else UNAVAILABLE)
