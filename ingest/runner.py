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
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from ingest.batch_store import BatchStore, SendDeadLetters
from ingest.batches import Batch, cut
from ingest.columns import Column
from ingest.dead_letter_budget import DeadLetterBudget
from ingest.dead_letters import DeadLetters
from ingest.deduplication import verify_deduplication
from ingest.enrich.steps import Enrichment
from ingest.entry_reader import EntryReader
from ingest.metrics import IngestMetrics
from ingest.pauses import StoppedError, pause
from ingest.persistence import Persistence
from ingest.sources.source import Fetched, PartitionLostError, Source
from ingest.warehouse import Warehouse, WarehouseUnavailableError

MAX_ROWS: Final = 50_000
"""Of an insert: the warehouse merges large parts less often, which is most of what a row costs it."""
# A round of small batches takes at least this long: a click is reported well within a second, and each source
# makes at most two parts a second in the warehouse. A tenth of MAX_ROWS is not small.
ROUND_S: Final = 0.5
BATCHES_IN_HAND: Final = 4
"""That are enriched and not yet stored: so that an insert that waits for the disk holds nothing else up."""

_log = logging.getLogger(__name__)


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
        self._persistence = Persistence(metrics.retries)
        self._persistence.troubles[None] = "the warehouse has not answered yet"
        self._source = source
        self._warehouse = warehouse
        self._enrichment = enrichment
        self._metrics = metrics
        self._max_rows = max_rows
        self._reader = EntryReader(warehouse, metrics, budget or DeadLetterBudget(), self._persistence)
        self._store = BatchStore(
            source, warehouse, dead_letters, metrics, self._persistence, send_dead_letters
        )
        self._room = asyncio.Semaphore(BATCHES_IN_HAND)
        self._last: dict[str, asyncio.Task[None]] = {}
        """Of each partition the batch that is stored last of those in hand."""
        self._enriching = threading.Lock()  # enrichment is for one at a time

    @property
    def trouble(self) -> str | None:
        """Why something waits, the latest that does; None while nothing does."""
        return self._persistence.trouble

    async def serve(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set. Raises `WarehouseError`.

        The first batch that fails ends all others: what was planned is done again by whoever reads it next.
        """
        try:
            async with asyncio.TaskGroup() as storing:
                await self._persistence.persist_in_thread("warehouse", self._check_warehouse, stop)
                del self._persistence.troubles[None]
                await self._consume(storing, stop)
        except BaseExceptionGroup as failures:
            for failure in failures.exceptions:
                if not isinstance(failure, StoppedError):
                    raise failure from None
            _log.info("stopped; what was fetched and not stored is fetched again at the next start")

    async def _consume(self, storing: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        while not stop.is_set():
            began_s = time.monotonic()
            fetched = await self._persistence.persist("source", self._fetch, stop)
            for part in fetched:
                if not stop.is_set():
                    await self._take(part, storing, stop)
            if max((len(part.values) for part in fetched), default=0) < self._max_rows // 10:
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
        entries = await self._reader.read(fetched, stop, before=self._last.get(fetched.partition))
        batches = await asyncio.to_thread(cut, fetched, entries, max_rows=self._max_rows)
        self._metrics.consumed.inc(len(fetched.values))
        self._metrics.damaged.inc(fetched.damaged)
        if fetched.damaged:
            _log.warning(
                "partition %s: %d damaged records within %d to %d were passed over",
                *(fetched.partition, fetched.damaged, fetched.start, fetched.end),
            )
        while batches:
            await self._room.acquire()
            batch = batches.pop(0)
            columns: dict[str, Column] | None = None
            if batch.clicks:  # asks the warehouse for the tenants' privacy profiles
                enrich = partial(self._enrich, batch)
                columns = await self._persistence.persist_in_thread("warehouse", enrich, stop)
                batch = replace(batch, clicks=())  # three times what their columns take
            damaged = 0 if batches else fetched.damaged
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
            await self._store.store(batch, columns, stop, damaged=damaged)
        except PartitionLostError as error:
            _log.warning("partition %s belongs to another reader now: %s", batch.range.partition, error)

    def _stored(self, partition: str, task: asyncio.Task[None]) -> None:
        self._room.release()
        if self._last[partition] is task:
            del self._last[partition]

    def _enrich(self, batch: Batch) -> dict[str, Column]:
        with self._enriching:
            return self._enrichment.columns(
                batch.clicks,
                now_ms=time.time_ns() // 1_000_000,
                timed=lambda step, seconds: self._metrics.step_seconds.labels(step).inc(seconds),
            )
