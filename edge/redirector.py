"""A request for a code becomes a decision, then a click in the spool, then an answer."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from edge.answers import RenderedAnswers
from edge.bounds import BOUNDS, Bounds
from edge.click_json import ClickEncoder
from edge.counters import Counters
from edge.domains import Domains
from edge.known_link import KnownLink
from edge.misses import Misses
from edge.orphans import OrphanAllowance
from edge.redis_address import ClusterAddress, RedisAddress
from edge.request import CodeRequest
from edge.resolver import Resolver
from edge.routing import GONE, NOT_FOUND, TOO_MANY_MISSES, Decision, decide
from edge.spool import ShortWriteError, SpoolWriter
from edge.spool_frame import frame
from edge.spool_keeping import AbsentSpool

_log = logging.getLogger(__name__)


class Redirector:
    """Answers requests for codes.

    What is decided in one loop tick is spooled by one write, before any of its answers is sent. A click that
    can't be spooled is counted, and its request answered all the same. `clock_ms` is Unix time in ms.

    Misses are spooled as orphans (`edge/orphans.py`). Answers to those of an address that keeps missing are
    held (`edge/misses.py`), at most `max_held` at a time; what comes beyond that is told to come later (429).
    """

    def __init__(
        self,
        redis: RedisAddress | ClusterAddress,
        spool: SpoolWriter | AbsentSpool,
        counters: Counters,
        clock_ms: Callable[[], int],
        answers: RenderedAnswers,
        domains: Domains,
        bounds: Bounds = BOUNDS,
    ) -> None:
        self.resolver: Final = Resolver(redis, domains, counters, self._settle_all, self.flush, bounds)
        self._domains = domains
        self.use_spool(spool)
        self._take_seq = spool.take_seq
        self._counters = counters
        self._clock_ms = clock_ms
        self._answers = answers
        self._loop = asyncio.get_running_loop()
        self._settled: list[CodeRequest] = []
        self._is_flush_due = False
        self._is_spooling = True
        self._misses = Misses()
        self._orphans = OrphanAllowance()
        self._max_held = bounds.max_held
        self._held: dict[CodeRequest, asyncio.TimerHandle] = {}

    def use_spool(self, spool: SpoolWriter | AbsentSpool) -> None:
        """Spool clicks to this one from now on. Numbers go on: what was dropped before is a gap in them."""
        self.spool = spool
        self._encoder = ClickEncoder(spool.source)

    def ask(self, request: CodeRequest) -> None:
        """Answer the request in this tick or, where Redis must be asked, a later one."""
        domain = request.headers.domain
        if domain is None:
            request.found = self._domains.refusal(None)
            self._settle(request)
            return
        field = request.code + domain.tag if domain.tag else request.code  # as `edge.codes.code_field`
        known = self.resolver.find(field)
        if known is None or known.suffix != request.suffix:  # a wrong suffix takes as long as a wrong code
            self.resolver.ask(field, request)
        else:
            self._counters.cache_hits += 1
            request.found = known
            self._settle(request)

    def flush(self) -> None:
        """Decide on all that is settled, spool the clicks, answer."""
        self._is_flush_due = False
        if not self._settled:
            return
        settled, self._settled = self._settled, []
        now_ms = self._clock_ms()
        answered: list[CodeRequest] = []
        decisions: list[Decision] = []
        frames: list[bytes] = []
        missing = self._misses.by_address
        is_anyone_missing = len(missing) > 0
        for request in settled:
            if request.is_gone():
                continue
            known = request.found
            if not isinstance(known, KnownLink) or request.suffix != known.suffix:
                refusal = NOT_FOUND if isinstance(known, KnownLink) else known
                answer = self._miss(request, now_ms, frames) if refusal is NOT_FOUND else refusal
                if answer is None:
                    continue
                decision = answer
            else:
                if is_anyone_missing and request.address in missing:
                    self._misses.hit(request.address)
                fixed = known.fixed_decisions
                decision = (
                    fixed[request.headers.platform] if fixed is not None else _decide(known, request, now_ms)
                )
                frames.append(frame(self._encoder.encode(self._take_seq(), now_ms, request, known, decision)))
            answered.append(request)
            decisions.append(decision)
        if frames:
            self._append(frames)
        self._answers.turn_to(now_ms // 1000)
        counts = self._counters.answers
        for at, request in enumerate(answered):
            decision = decisions[at]
            counts[decision.outcome] += 1
            request.answer(decision)

    def note(self, outcome: str) -> None:
        """Count and date an answer that needs no decision, before it is made."""
        self._counters.answers[outcome] += 1
        self._answers.turn_to(self._clock_ms() // 1000)

    def release(self) -> None:
        """Answer all that is held, at once."""
        for request, timer in tuple(self._held.items()):
            timer.cancel()
            self._answer_held(request)

    def _miss(self, request: CodeRequest, now_ms: int, frames: list[bytes]) -> Decision | None:
        """Note a miss, add its orphan to `frames`; what to answer now, None where the answer is held."""
        now_s = self._loop.time()
        delay_s = self._misses.miss(request.address, now_s)
        if request.headers.domain is not None:  # else no code was looked for
            if delay_s == 0 and self._orphans.take(now_s):
                orphan = self._encoder.encode(self._take_seq(), now_ms, request, None, NOT_FOUND)
                frames.append(frame(orphan))
            else:
                self._counters.orphans_unrecorded += 1
        return self._answer_to_miss(request, delay_s)

    def _answer_to_miss(self, request: CodeRequest, delay_s: float) -> Decision | None:
        """What to answer now; None where the answer is held."""
        if delay_s == 0 or self._answers.close:
            return self._domains.refusal(request.headers.domain)
        if len(self._held) >= self._max_held:
            return TOO_MANY_MISSES
        self._held[request] = self._loop.call_later(delay_s, self._answer_held, request)
        return None

    def _answer_held(self, request: CodeRequest) -> None:
        del self._held[request]
        if not request.is_gone():
            refusal = self._domains.refusal(request.headers.domain)
            self.note(refusal.outcome)
            request.answer(refusal)

    def _append(self, frames: list[bytes]) -> None:
        joined = b"".join(frames)
        spooled = len(frames)
        try:
            self.spool.append(joined)
        except OSError as error:
            spooled = error.records if isinstance(error, ShortWriteError) else 0
            self._counters.clicks_dropped += len(frames) - spooled
            if self._is_spooling:
                _log.error("clicks are being dropped, the spool can't be written: %s", error)
            self._is_spooling = False
        else:
            self._counters.spool_bytes += len(joined)
            if not self._is_spooling:
                _log.info("clicks are being spooled again")
            self._is_spooling = True
        self._counters.clicks_spooled += spooled

    def _settle(self, request: CodeRequest) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self.flush)
        self._settled.append(request)

    def _settle_all(self, resolved: list[CodeRequest]) -> None:
        self._settled += resolved  # the resolver tells when to flush


def _decide(known: KnownLink, request: CodeRequest, now_ms: int) -> Decision:
    domain = request.headers.domain
    decision = decide(known.link, request.headers.platform, request.query, now_ms)
    return domain.gone if decision is GONE and domain is not None else decision
