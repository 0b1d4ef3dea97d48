"""Code to link: bounded caches in front of Redis, for requests that wait until they are told.

What is promised:

- A link or domain changed in Redis is changed here within a second: Redis tells of every write to `link:*`
  and `domains` on the connection that asks. A code never changes its link, so codes are kept until there are
  too many, or until any is released (a person was erased): then all of them are asked for again.
- Nothing is known of what happened while no connection stood. Until Redis is back, what was cached goes on
  being served, stale as it may be: a recipient who lands beats one who does not. Then, before the first
  look-up, all of it is forgotten.
- A code that Redis does not have, or whose link has no destination, is never cached. Both take two round
  trips, so that time does not tell which it was; so does a wrong suffix, whatever is cached, and the second
  one asks for nothing either, once the link is known.
- A Redis without the key `links` was emptied, and has not been filled again yet: it is asked as before, but
  what it does not have is refused, not missing, and what was cached goes on being served until it is whole.
- A request waits at most `DEADLINE_S`. A look-up whose connection is lost is asked once again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from edge.cache import BoundedCache
from edge.code_finder import CodeFinder
from edge.code_layout import LAYOUT_KEY
from edge.codes import DOMAINS_KEY, LAST_NUMBER_KEY, RELEASES_KEY, link_key
from edge.counters import MAX_LOOKUP_SAMPLES, Counters
from edge.domains import Domains
from edge.known_link import KnownLink
from edge.link_values import read_link
from edge.links import EDGE_FIELDS
from edge.redis_address import RedisAddress
from edge.redis_pipeline import RedisDoubtError, RedisPipeline, encode_command, open_pipeline
from edge.redis_state import RedisState
from edge.request import CodeRequest
from edge.routing import NOT_FOUND, UNAVAILABLE, Decision

DEADLINE_S: Final = 0.25
SWEEP_S: Final = 0.02
STALL_S: Final = 1.0
CONNECT_TIMEOUT_S: Final = 1.0
RECONNECT_DELAYS_S: Final = (0.0, 0.05, 0.1, 0.2, 0.5)
CODES_A_GENERATION: Final = 50_000
LINKS_A_GENERATION: Final = 4_096

NO_LINK: Final = 0
"""A number that no link has: what is asked for where a code has none, or its link is known already."""

_LINK_PREFIX: Final = b"link:"
_TRACKED_PREFIXES: Final = (_LINK_PREFIX, LAYOUT_KEY, RELEASES_KEY, DOMAINS_KEY)
_log = logging.getLogger(__name__)


OnResolved = Callable[[CodeRequest, KnownLink | Decision], None]


class Resolver:
    """Resolves codes for one worker, and keeps its domains fresh.

    `on_resolved` is called with the link or the refusal for each request asked for; `on_resolved_all` when
    all that came together have been.
    """

    def __init__(
        self,
        address: RedisAddress,
        domains: Domains,
        counters: Counters,
        on_resolved: OnResolved,
        on_resolved_all: Callable[[], None],
    ) -> None:
        self._address = address
        self._state = RedisState(domains, self._forget_all)
        self._counters = counters
        self._on_resolved = on_resolved
        self._on_resolved_all = on_resolved_all
        self._loop = asyncio.get_running_loop()
        self._numbers: BoundedCache[bytes, int] = BoundedCache(CODES_A_GENERATION)
        self._links: BoundedCache[int, KnownLink] = BoundedCache(LINKS_A_GENERATION)
        self._lookups: dict[bytes, CodeRequest] = {}  # by field; the first of those that ask
        self._waiting_for_link: dict[int, list[bytes]] = {}
        self._asked_again: set[bytes] = set()
        self._pipeline: RedisPipeline | None = None
        self._finder: CodeFinder | None = None  # of the connection
        self._lost = asyncio.Event()
        self._down_reason: str | None = "not connected to Redis yet"
        self._is_down = False
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def down_reason(self) -> str | None:
        """Why no look-up can be made; None while Redis answers."""
        return self._down_reason

    def find(self, field: bytes) -> KnownLink | None:
        """The link of a code's field (`edge.codes.code_field`), where it is cached."""
        number = self._numbers[field]
        return None if number is None else self._links[number]

    def ask(self, field: bytes, request: CodeRequest) -> None:
        """Look the code up. `on_resolved` is called later, or at once where Redis is known to be down."""
        first = self._lookups.get(field)
        if first is not None:
            if first.followers is None:
                first.followers = []
            first.followers.append(request)
            return
        if self._is_down:
            self._on_resolved(request, UNAVAILABLE)
            return
        request.deadline = self._loop.time() + DEADLINE_S
        request.followers = None
        self._lookups[field] = request
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        self._find(field)

    async def connect(self) -> None:
        """Try to connect, once. With the connection come the domains."""
        self._lost.clear()
        self._state.expect()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                pipeline = await open_pipeline(self._address, self, tracked_prefixes=_TRACKED_PREFIXES)
                is_whole, documents = await asyncio.gather(
                    pipeline.call(b"EXISTS", LAST_NUMBER_KEY), pipeline.call(b"HGETALL", DOMAINS_KEY)
                )
        except (OSError, RedisDoubtError) as error:
            self._refuse(f"Redis can't be reached: {str(error) or type(error).__name__}")
        else:
            self._begin(pipeline, is_whole, documents)

    async def run(self) -> None:
        """Keep a connection, until cancelled."""
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
        """Drop the connection; whatever waits is refused. `run` has been cancelled before."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.drop("the edge is stopping")
        self._is_down = True
        self._refuse("the edge is stopping")

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
            self._numbers.clear()
        for key in keys:
            number = key.removeprefix(_LINK_PREFIX)
            if number.isdigit():
                self._links.drop(int(number))

    def on_replies_read(self, waited_s: float) -> None:
        if waited_s and len(self._counters.lookup_samples_s) < MAX_LOOKUP_SAMPLES:
            self._counters.lookup_samples_s.append(waited_s)
        self._on_resolved_all()

    def on_lost(self, reason: str) -> None:
        if self._pipeline is None:
            return  # lost within the handshake: `run` sees the error
        self._pipeline = None
        self._finder = None
        self._waiting_for_link.clear()
        self._down_reason = f"the connection to Redis was lost: {reason}"
        self._counters.redis_reconnects += 1
        _log.warning("%s", self._down_reason)
        self._lost.set()

    def _begin(self, pipeline: RedisPipeline, is_whole: object, documents: object) -> None:
        self._state.begin(pipeline, is_whole, documents)
        self._pipeline = pipeline
        self._finder = CodeFinder(pipeline, self._on_number)
        self._down_reason = None
        self._is_down = False
        for field in tuple(self._lookups):
            if field in self._asked_again:
                self._resolve(field, UNAVAILABLE)
            else:
                self._find(field)
        self._asked_again = set(self._lookups)
        self._on_resolved_all()
        _log.info("connected to Redis")

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

    def _find(self, field: bytes) -> None:
        if self._finder is not None:
            self._counters.code_lookups += 1
            self._finder.ask(field)

    def _on_number(self, field: bytes, reply: object) -> None:
        first = self._lookups.get(field)
        if reply is None:
            assert self._finder is not None  # we are in its connection's reply
            if not self._finder.holds(field) and first is not None:
                self._ask_link(NO_LINK, field)
            return
        if type(reply) is not bytes or not reply.isdigit():
            raise RedisDoubtError(f"a code's link number came as {type(reply).__name__}")
        number = int(reply)
        self._numbers.put(field, number)
        known = self._links[number]
        if first is None:
            return
        if known is not None and known.suffix == first.suffix:
            self._resolve(field, known)
        else:
            self._ask_link(number if known is None else NO_LINK, field)

    def _ask_link(self, number: int, field: bytes) -> None:
        fields = self._waiting_for_link.get(number)
        if fields is not None:
            fields.append(field)
            return
        assert self._pipeline is not None  # we are in its reply
        self._waiting_for_link[number] = [field]
        self._counters.link_lookups += 1
        command = encode_command(b"HMGET", link_key(number), *EDGE_FIELDS)
        self._pipeline.send(command, self._on_link, number)

    def _on_link(self, number: int, reply: Any) -> None:
        if type(reply) is not list or len(reply) != len(EDGE_FIELDS):
            raise RedisDoubtError(f"a link came as {type(reply).__name__}")
        known = read_link(number, reply)
        if known is not None:
            self._links.put(number, known)
        refusal = NOT_FOUND if self._state.is_whole else UNAVAILABLE
        for field in self._waiting_for_link.pop(number, ()):
            self._resolve(field, known or self.find(field) or refusal)

    def _resolve(self, field: bytes, found: KnownLink | Decision) -> None:
        first = self._lookups.pop(field, None)
        if first is not None:
            self._on_resolved(first, found)
            for follower in first.followers or ():
                self._on_resolved(follower, found)

    def _refuse(self, reason: str) -> None:
        if not self._is_down:
            _log.warning("%s", reason)
        self._is_down = True
        self._down_reason = reason
        for field in tuple(self._lookups):
            self._resolve(field, UNAVAILABLE)
        self._on_resolved_all()

    def _sweep(self) -> None:
        """Refuse those that have waited too long; their look-ups, if sent, still fill the caches."""
        now = self._loop.time()
        overdue = [field for field, first in self._lookups.items() if first.deadline <= now]
        for field in overdue:
            self._resolve(field, UNAVAILABLE)
        if overdue:
            self._on_resolved_all()
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep) if self._lookups else None

    def _forget_all(self) -> None:
        self._numbers.clear()
        self._links.clear()
