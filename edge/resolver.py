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
- A cluster that lacks some nodes goes on with what the others have; the rest of this list holds for each of
  its nodes.
- A Redis without the key `links` was emptied, and has not been filled again yet: it is asked as before, but
  what it does not have is refused, not missing, and what was cached goes on being served until it is whole.
- A request waits at most `Bounds.deadline_s`, and after this process stood still (a paused machine, a
  neighbour's turn) `AFTER_PAUSE_S` more, once: Redis's reply may have come meanwhile. A look-up whose
  connection is lost is asked once again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from edge.bounds import BOUNDS, Bounds
from edge.cache import BoundedCache
from edge.cluster_lookups import ClusterLookups
from edge.code_cache import CodeCache
from edge.counters import MAX_LOOKUP_SAMPLES, Counters
from edge.domains import Domains
from edge.known_link import KnownLink
from edge.link_values import read_link
from edge.links import EDGE_FIELDS
from edge.lookups import Lookups
from edge.redis_address import ClusterAddress, RedisAddress
from edge.redis_pipeline import RedisDoubtError
from edge.request import CodeRequest
from edge.routing import UNAVAILABLE, Decision
from edge.server_lookups import ServerLookups

SWEEP_S: Final = 0.01
PAUSE_S: Final = 0.05  # so late comes no sweep because of requests alone
AFTER_PAUSE_S: Final = 0.05
LINKS_A_GENERATION: Final = 4_096

NO_LINK: Final = 0
"""A number that no link has: what is asked for where a code has none, or its link is known already."""

_log = logging.getLogger(__name__)


OnResolved = Callable[[list[CodeRequest]], None]


class Resolver:
    """Resolves codes for one worker, and keeps its domains fresh.

    `on_resolved` is called with requests that have been given what was found for them, a link or a refusal;
    `on_resolved_all` when all that came together have been.
    """

    def __init__(
        self,
        address: RedisAddress | ClusterAddress,
        domains: Domains,
        counters: Counters,
        on_resolved: OnResolved,
        on_resolved_all: Callable[[], None],
        bounds: Bounds = BOUNDS,
    ) -> None:
        self._counters = counters
        self._on_resolved = on_resolved
        self._on_resolved_all = on_resolved_all
        self._loop = asyncio.get_running_loop()
        self._numbers = CodeCache(bounds.codes_cached)
        self._links: BoundedCache[bytes, KnownLink] = BoundedCache(LINKS_A_GENERATION)
        self._waiting: dict[bytes, CodeRequest] = {}  # by field; the first of those that ask
        self._asked: list[bytes] = []  # in this tick, not yet sent
        self._deadline_s = bounds.deadline_s
        self._deadline = 0.0  # loop time, of what is asked in this tick
        self._waiting_for_link: dict[int, list[bytes]] = {}
        self._asked_again: set[bytes] = set()
        self._is_down = False
        self._sweeper: asyncio.TimerHandle | None = None
        self._had_pause = False
        self._is_ending_tick = False
        self._redis: Lookups = (
            ClusterLookups(address, self, domains)
            if isinstance(address, ClusterAddress)
            else ServerLookups(address, self, domains)
        )

    @property
    def down_reason(self) -> str | None:
        """Why no look-up can be made; None while Redis answers."""
        return self._redis.down_reason

    def find(self, field: bytes) -> KnownLink | None:
        """The link of a code's field (`edge.codes.code_field`), where it is cached."""
        number = self._numbers.get(field)
        return None if number is None else self._links.get(number)

    def ask(self, field: bytes, request: CodeRequest) -> None:
        """Look the code up with the others of this tick. Where Redis is down, refuse at once."""
        if self._is_down:
            self._hand_out([request], UNAVAILABLE)
            return
        request.followers = None
        first = self._waiting.setdefault(field, request)
        if first is not request:
            if first.followers is None:
                first.followers = []
            first.followers.append(request)
            return
        if not self._asked:
            self._begin_tick()
        self._asked.append(field)
        request.deadline = self._deadline

    async def connect(self) -> None:
        """Try to connect, once. With the connection come the domains."""
        await self._redis.connect()

    async def run(self) -> None:
        """Keep connected, until cancelled."""
        await self._redis.run()

    def close(self) -> None:
        """Drop all connections; whatever waits is refused. `run` has been cancelled before."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._redis.close()
        self._is_down = True
        self._refuse_all()

    def on_numbers(self, fields: list[bytes], replies: list[Any]) -> None:
        waiting, links, numbers = self._waiting, self._links, self._numbers
        resolved: list[CodeRequest] = []
        for at, field in enumerate(fields):
            reply = replies[at]
            first = waiting.get(field)
            if reply is None:
                if first is not None:
                    self._ask_link(NO_LINK, field)
                continue
            known = links.get(reply) if isinstance(reply, bytes) else None
            if known is None and not (isinstance(reply, bytes) and reply.isdigit()):
                self._on_resolved(resolved)
                raise RedisDoubtError(f"a code's link number came as {type(reply).__name__}")
            numbers.put(field, reply if known is None else known.digits)  # the same bytes for all of a link
            if first is None:
                continue
            if known is None or known.suffix != first.suffix:
                self._ask_link(int(reply) if known is None else NO_LINK, field)
                continue
            del waiting[field]
            first.found = known
            resolved.append(first)
            if first.followers is not None:
                for follower in first.followers:
                    follower.found = known
                resolved += first.followers
        self._on_resolved(resolved)

    def on_missing(self, field: bytes, refusal: Decision) -> None:
        self._resolve(field, self.find(field) or refusal)

    def on_link(self, number: int, reply: Any, refusal: Decision) -> None:
        if type(reply) is not list or len(reply) != len(EDGE_FIELDS):
            raise RedisDoubtError(f"a link came as {type(reply).__name__}")
        known = read_link(number, reply)
        if known is not None:
            self._links.put(known.digits, known)
        for field in self._waiting_for_link.pop(number, ()):
            self._resolve(field, known or self.find(field) or refusal)

    def on_links_changed(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._links.drop(b"%d" % number)

    def forget_codes(self) -> None:
        self._numbers.clear()

    def forget_all(self) -> None:
        self._numbers.clear()
        self._links.clear()

    def on_connected(self) -> None:
        """Ask once more for what waits; what is lost with a second connection is refused."""
        self._is_down = False
        for field in tuple(self._waiting):
            if field in self._asked_again:
                self._resolve(field, UNAVAILABLE)
        self._asked_again = set(self._waiting)
        self._asked = list(self._waiting)
        self._send_asked()
        self._on_resolved_all()

    def on_lost(self, reason: str) -> None:
        self._waiting_for_link.clear()
        self._counters.redis_reconnects += 1
        _log.warning("%s", reason)

    def on_down(self, reason: str) -> None:
        if not self._is_down:
            _log.warning("%s", reason)
        self._is_down = True
        self._refuse_all()

    def on_replies_read(self, waited_s: float) -> None:
        if waited_s and len(self._counters.lookup_samples_s) < MAX_LOOKUP_SAMPLES:
            self._counters.lookup_samples_s.append(waited_s)
        self._on_resolved_all()

    def _begin_tick(self) -> None:
        self._loop.call_soon(self._send_asked)
        now = self._loop.time()
        self._deadline = now + self._deadline_s
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    def _send_asked(self) -> None:
        """Ask for all codes of this tick; for none where they have gone out with a new connection."""
        asked, self._asked = self._asked, []
        self._counters.code_lookups += len(asked)
        self._redis.ask_codes(asked)

    def _ask_link(self, number: int, field: bytes) -> None:
        fields = self._waiting_for_link.get(number)
        if fields is not None:
            fields.append(field)
            return
        self._waiting_for_link[number] = [field]
        self._counters.link_lookups += 1
        self._redis.ask_link(number)

    def _resolve(self, field: bytes, found: KnownLink | Decision) -> None:
        first = self._waiting.pop(field, None)
        if first is not None:
            self._hand_out([first, *(first.followers or ())], found)

    def _hand_out(self, requests: list[CodeRequest], found: KnownLink | Decision) -> None:
        """Resolve requests that may be the only ones: not all of these come with replies of Redis."""
        for request in requests:
            request.found = found
        self._on_resolved(requests)
        if not self._is_ending_tick:
            self._is_ending_tick = True
            self._loop.call_soon(self._end_tick)

    def _end_tick(self) -> None:
        self._is_ending_tick = False
        self._on_resolved_all()

    def _refuse_all(self) -> None:
        for field in tuple(self._waiting):
            self._resolve(field, UNAVAILABLE)
        self._on_resolved_all()

    def _sweep(self) -> None:
        """Refuse those that have waited too long; their look-ups, if sent, still fill the caches."""
        now = self._loop.time()
        assert self._sweeper is not None  # it is what runs
        self._had_pause = not self._had_pause and now - self._sweeper.when() > PAUSE_S
        if self._had_pause:
            for first in self._waiting.values():
                first.deadline = max(first.deadline, now + AFTER_PAUSE_S)
        overdue = [field for field, first in self._waiting.items() if first.deadline <= now]
        for field in overdue:
            self._resolve(field, UNAVAILABLE)
        if overdue:
            self._on_resolved_all()
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep) if self._waiting else None
