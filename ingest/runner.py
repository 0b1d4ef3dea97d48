"""Moves clicks from the source into the warehouse, each exactly once.

For each batch, in this order: plan its range at the source, keep its dead letters, insert its rows under the
range's token, commit the range. Whatever dies in between is made good by doing the planned range again as a
whole: the token lets a repeated insert add nothing, and it mends views that had missed the first one. So a
range that is read again is never filtered by what is stored.

One batch after the other is made ready: decoded, cut, enriched. Meanwhile those before it are stored, at most
`BATCHES_IN_HAND` of them side by side, those of one partition one after the other.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, NoReturn, TypeVar

from edge.contract import PREFIX
from ingest.batches import Batch, DeadLetter, Entry, cut, decode_records
from ingest.columns import Column, count_of
from ingest.dead_letter_budget import DeadLetterBudget
from ingest.dead_letters import DeadLetters
from ingest.deduplication import verify_deduplication
from ingest.enrich.rules import LAST_RULE
from ingest.enrich.steps import Enrichment
from ingest.enrich.user_agent import OTHER
from ingest.kafka.errors import BusUnavailableError
from ingest.metrics import IngestMetrics
from ingest.pauses import StoppedError, pause, pauses
from ingest.repeats import find_repeats, leave_out, unknown_sources
from ingest.sources.source import Fetched, PartitionLostError, Range, Source
from ingest.warehouse import Warehouse, WarehouseUnavailableError

MAX_ROWS: Final = 20_000
# A round of small batches takes at least this long: a click is reported well within a second, and each source
# makes at most two parts a second in the warehouse. A quarter of MAX_ROWS is not small.
ROUND_S: Final = 0.5
BATCHES_IN_HAND: Final = 4
"""That are enriched and not yet stored: so that an insert that waits for the disk holds nothing else up."""

_log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
SendDeadLetters = Callable[[Range, Sequence[DeadLetter]], Awaitable[None]]


class Runner:
    """One consumer of one source.

    Where more events are no clicks than `budget` allows, it stands still until it is ended, and stores none
    of them: a sender that went wrong is to be seen, not drained into the dead letters.
    """

    def __init__(
        self,
        source: Source,
        warehouse: Warehouse,
        enrichment: Enrichment,
        dead_letters: DeadLetters,
        metrics: IngestMetrics,
        *,
        max_rows: int = MAX_ROWS,
        budget: DeadLetterBudget | None = None,
        send_dead_letters: SendDeadLetters | None = None,
    ) -> None:
        self._troubles: dict[object, str] = {None: "the warehouse has not answered yet"}  # by what waits
        self._source = source
        self._warehouse = warehouse
        self._enrichment = enrichment
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._max_rows = max_rows
        self._budget = budget or DeadLetterBudget()
        self._send_dead_letters = send_dead_letters
        self._room = asyncio.Semaphore(BATCHES_IN_HAND)
        self._last: dict[str, asyncio.Task[None]] = {}
        """Of each partition the batch that is stored last of those in hand."""
        self._one_thread = threading.Lock()  # enrichment and histograms are for one at a time

    @property
    def trouble(self) -> str | None:
        """Why something waits, the latest that does; None while nothing does."""
        return next(reversed(list(self._troubles.values())), None)

    async def serve(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set. Raises `WarehouseError`.

        The first batch that fails ends all others: what was planned is done again by whoever reads it next.
        """
        try:
            async with asyncio.TaskGroup() as storing:
                await self._persist("warehouse", lambda: asyncio.to_thread(self._check_warehouse), stop)
                del self._troubles[None]
                await self._consume(storing, stop)
        except BaseExceptionGroup as failures:
            for failure in failures.exceptions:
                if not isinstance(failure, StoppedError):
                    raise failure from None
            _log.info("stopped; what was fetched and not stored is fetched again at the next start")

    async def _consume(self, storing: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        while not stop.is_set():
            began_s = time.monotonic()
            fetched = await self._persist("source", self._fetch, stop)
            for part in fetched:
                if not stop.is_set():
                    await self._take(part, storing, stop)
            if max((len(part.values) for part in fetched), default=0) < self._max_rows // 4:
                with contextlib.suppress(StoppedError):  # what is in hand is stored yet
                    await pause(began_s + ROUND_S - time.monotonic(), stop)

    def _check_warehouse(self) -> None:
        ((there,),) = self._warehouse.query("EXISTS TABLE clicks")
        if not there:
            raise WarehouseUnavailableError("it has no table clicks: the aggregator makes it when it starts")
        verify_deduplication(self._warehouse)

    async def _fetch(self) -> Sequence[Fetched]:
        return await self._source.fetch(self._max_rows, ROUND_S)

    async def _take(self, fetched: Fetched, storing: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        """Make a part ready, batch by batch, and have each stored behind those before it."""
        entries = await self._read(fetched, stop)
        batches = await asyncio.to_thread(cut, fetched, entries, max_rows=self._max_rows)
        self._metrics.consumed.inc(len(fetched.values))
        self._metrics.damaged.inc(fetched.damaged)
        if fetched.damaged:
            _log.warning(
                "partition %s: %d damaged records within %d to %d were passed over",
                *(fetched.partition, fetched.damaged, fetched.start, fetched.end),
            )
        for batch in batches:
            await self._room.acquire()
            columns: dict[str, Column] | None = None
            if batch.clicks:  # asks the warehouse for the tenants' privacy profiles
                enrich = partial(asyncio.to_thread, self._enrich, batch)
                columns = await self._persist("warehouse", enrich, stop)
            damaged = fetched.damaged if batch is batches[-1] else 0
            before = self._last.get(fetched.partition)
            task = storing.create_task(
                self._store_in_turn(batch, columns, stop, damaged=damaged, before=before)
            )
            self._last[fetched.partition] = task
            task.add_done_callback(partial(self._stored, fetched.partition))

    async def _store_in_turn(
        self,
        batch: Batch,
        columns: dict[str, Column] | None,
        stop: asyncio.Event,
        *,
        damaged: int,
        before: asyncio.Task[None] | None,
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        try:
            await self._store(batch, columns, stop, damaged=damaged)
        except PartitionLostError as error:
            _log.warning("partition %s belongs to another reader now: %s", batch.range.partition, error)

    def _stored(self, partition: str, task: asyncio.Task[None]) -> None:
        self._room.release()
        if self._last[partition] is task:
            del self._last[partition]

    async def _read(self, fetched: Fetched, stop: asyncio.Event) -> Sequence[Entry]:
        """The records decoded, those marked that are to be left out."""
        entries = await asyncio.to_thread(decode_records, fetched)
        if fetched.planned:
            return leave_out(entries, fetched.ends, fetched.left_out) if fetched.left_out else entries
        reason = self._budget.spend(isinstance(entry, DeadLetter) for entry in entries)
        if reason is not None:
            await self._stand_still(f"dead letters: {reason}; {fetched.partition} at {fetched.start}", stop)
        if fetched.floors is None:
            return entries
        unknown = unknown_sources(entries, fetched.floors)
        if unknown:
            if fetched.partition in self._last:  # the warehouse knows them once all before is stored
                await asyncio.wait([self._last[fetched.partition]])
            known = await self._persist("warehouse", lambda: asyncio.to_thread(self._floors, unknown), stop)
            fetched.floors.update(known)
        found, missing = find_repeats(entries, fetched.floors)
        self._metrics.missing.inc(missing)
        return found

    def _floors(self, sources: set[int]) -> dict[int, int]:
        """The highest number stored of each of these sources; 0 where none is."""
        rows = self._warehouse.query(
            "SELECT source, max(last_seq) FROM click_sources WHERE source IN {sources:Array(UInt64)}"
            " GROUP BY source SETTINGS select_sequential_consistency = 1",
            {"sources": sorted(sources)},
        )
        return dict.fromkeys(sources, 0) | {int(source): int(seq) for source, seq in rows}

    async def _stand_still(self, reason: str, stop: asyncio.Event) -> NoReturn:
        self._troubles[reason] = reason
        _log.error(
            "%s: ingest stands still. Mend the sender; or set %sDEAD_LETTER_PERCENT (100 takes all)",
            reason,
            PREFIX,
        )
        await stop.wait()
        raise StoppedError

    async def _store(
        self, batch: Batch, columns: dict[str, Column] | None, stop: asyncio.Event, *, damaged: int
    ) -> None:
        await self._persist("source", lambda: self._source.plan(batch.range), stop)
        if batch.dead_letters:
            await self._persist(
                "dead letters", lambda: asyncio.to_thread(self._keep_dead_letters, batch), stop
            )
            if self._send_dead_letters is not None:
                send = self._send_dead_letters
                await self._persist("dead letters", lambda: send(batch.range, batch.dead_letters), stop)
        if damaged:
            await self._persist(
                "warehouse",
                lambda: asyncio.to_thread(self._dead_letters.pass_over, batch.range, "damaged", damaged),
                stop,
            )
        if batch.repeats:
            self._metrics.repeated.inc(batch.repeats)
            await self._persist(
                "warehouse",
                lambda: asyncio.to_thread(
                    self._dead_letters.pass_over, batch.range, "repeated", batch.repeats
                ),
                stop,
            )
        if columns is not None:
            await self._persist("warehouse", lambda: asyncio.to_thread(self._insert, batch, columns), stop)
        await self._persist("source", lambda: self._source.commit(batch.range), stop)

    def _enrich(self, batch: Batch) -> dict[str, Column]:
        with self._one_thread:
            return self._enrichment.columns(
                batch.clicks,
                now_ms=_now_ms(),
                timed=lambda step, seconds: self._metrics.step_seconds.labels(step).inc(seconds),
            )

    def _keep_dead_letters(self, batch: Batch) -> None:
        self._dead_letters.write(batch.range, batch.dead_letters)
        for letter in batch.dead_letters:
            self._metrics.dead_letters.labels(letter.reason).inc()
        _log.warning(
            "partition %s: %d events within %d to %d are no clicks, kept as dead letters",
            *(batch.range.partition, len(batch.dead_letters), batch.range.start, batch.range.end),
        )

    def _insert(self, batch: Batch, columns: dict[str, Column]) -> None:
        with self._metrics.insert_seconds.time():
            self._warehouse.insert("clicks", columns, token=batch.range.token)
        self._metrics.stored.inc(len(batch.clicks))
        self._metrics.batch_clicks.observe(len(batch.clicks))
        with self._one_thread:
            self._metrics.delays.observe_batch(columns["ts"], _now_ms())
        unknown = self._metrics.unknown_user_agents
        unknown.labels("browser").inc(count_of(columns["browser"], OTHER))
        unknown.labels("rule").inc(count_of(columns["rule"], LAST_RULE))

    async def _persist(
        self, what: str, attempt: Callable[[], Awaitable[Answer]], stop: asyncio.Event
    ) -> Answer:
        """Try until it succeeds, with growing pauses. The same batch goes out under the same token again."""
        for pause_s in pauses():
            try:
                answer = await attempt()
            except (WarehouseUnavailableError, BusUnavailableError, OSError) as error:
                self._troubles[attempt] = f"{what}: {error}"
                self._metrics.retries.inc()
                _log.warning("%s; next try in %.1f s", self._troubles[attempt], pause_s)
                await pause(pause_s, stop)
            else:
                self._troubles.pop(attempt, None)
                return answer
        raise AssertionError("pauses never end")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
