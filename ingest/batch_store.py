"""Stores one batch: plans its range, keeps its dead letters, inserts its rows, commits the range."""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from ingest.batches import Batch, DeadLetter
from ingest.click_insert import ClickInsert
from ingest.columns import Column, count_of
from ingest.dead_letters import DeadLetters
from ingest.enrich.rules import LAST_RULE
from ingest.enrich.user_agent import OTHER
from ingest.metrics import IngestMetrics
from ingest.persistence import Persistence
from ingest.sources.source import Range, Source
from ingest.warehouse import Warehouse

_log = logging.getLogger(__name__)
SendDeadLetters = Callable[[Range, Sequence[DeadLetter]], Awaitable[None]]


class BatchStore:
    """Batches of several partitions may be stored at a time.

    `send_dead_letters` tells others of them, too.
    """

    def __init__(
        self,
        source: Source,
        warehouse: Warehouse,
        dead_letters: DeadLetters,
        metrics: IngestMetrics,
        persistence: Persistence,
        send_dead_letters: SendDeadLetters | None,
    ) -> None:
        self._source = source
        self._warehouse = warehouse
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._persistence = persistence
        self._send_dead_letters = send_dead_letters
        self._delays_lock = threading.Lock()

    async def store(
        self, batch: Batch, columns: Mapping[str, Column] | None, stop: asyncio.Event, *, damaged: int
    ) -> None:
        """Do each part until it succeeds, in this order. `columns` are its clicks', None where it has none.

        `damaged` records were passed over in its range. Raises `PartitionLostError`, `StoppedError`,
        `WarehouseError`.
        """
        persist, persist_in_thread = self._persistence.persist, self._persistence.persist_in_thread
        await persist("source", lambda: self._source.plan(batch.range), stop)
        if batch.dead_letters:
            await persist_in_thread("dead letters", partial(self._keep_dead_letters, batch), stop)
            if self._send_dead_letters is not None:
                send = self._send_dead_letters
                await persist("dead letters", lambda: send(batch.range, batch.dead_letters), stop)
        if damaged:
            pass_over = partial(self._dead_letters.pass_over, batch.range, "damaged", damaged)
            await persist_in_thread("warehouse", pass_over, stop)
        if batch.repeats:
            self._metrics.repeated.inc(batch.repeats)
            pass_over = partial(self._dead_letters.pass_over, batch.range, "repeated", batch.repeats)
            await persist_in_thread("warehouse", pass_over, stop)
        if columns is not None:
            insert = ClickInsert(self._warehouse, columns, batch.range.token, may_be_there=batch.was_planned)
            await persist_in_thread("warehouse", partial(self._insert, insert), stop)
        await persist("source", lambda: self._source.commit(batch.range), stop)

    def _keep_dead_letters(self, batch: Batch) -> None:
        self._dead_letters.write(batch.range, batch.dead_letters)
        for letter in batch.dead_letters:
            self._metrics.dead_letters.labels(letter.reason).inc()
        _log.warning(
            "partition %s: %d events within %d to %d are no clicks, kept as dead letters",
            *(batch.range.partition, len(batch.dead_letters), batch.range.start, batch.range.end),
        )

    def _insert(self, insert: ClickInsert) -> None:
        with self._metrics.insert_seconds.time():
            insert.run()
        columns = insert.columns
        rows = len(columns["ts"])
        self._metrics.stored.inc(rows)
        self._metrics.batch_clicks.observe(rows)
        with self._delays_lock:
            self._metrics.delays.observe_batch(columns["ts"], time.time_ns() // 1_000_000)
        unknown = self._metrics.unknown_user_agents
        unknown.labels("browser").inc(count_of(columns["browser"], OTHER))
        unknown.labels("rule").inc(count_of(columns["rule"], LAST_RULE))
