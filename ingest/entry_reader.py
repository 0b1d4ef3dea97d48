"""From fetched records to entries: decoded, within the budget of dead letters, repeats marked."""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from edge.contract import PREFIX
from ingest.batches import DeadLetter, Entry, decode_records
from ingest.clicks import Clicks
from ingest.dead_letter_budget import DeadLetterBudget
from ingest.metrics import IngestMetrics
from ingest.pauses import StoppedError
from ingest.persistence import Persistence
from ingest.repeats import find_repeats, leave_out, unknown_sources
from ingest.sources.source import Fetched
from ingest.warehouse import Warehouse

_log = logging.getLogger(__name__)


class EntryReader:
    """Reads the records of one consumer, a part after the other."""

    def __init__(
        self,
        warehouse: Warehouse,
        metrics: IngestMetrics,
        budget: DeadLetterBudget,
        persistence: Persistence,
    ) -> None:
        self._warehouse = warehouse
        self._metrics = metrics
        self._budget = budget
        self._persistence = persistence

    async def read(
        self, fetched: Fetched, stop: asyncio.Event, *, before: asyncio.Task[None] | None
    ) -> Sequence[Entry]:
        """The records decoded, those marked that are to be left out.

        `before` stores what came before them in their partition: only then does the warehouse know the
        highest numbers of sources that are new here. Stands still where more are no clicks than the budget
        allows. Raises `StoppedError`.
        """
        entries = await asyncio.to_thread(decode_records, fetched)
        if fetched.planned:
            return leave_out(entries, fetched.ends, fetched.left_out) if fetched.left_out else entries
        if isinstance(entries, Clicks):
            reason = self._budget.spend([False] * len(entries))
        else:
            reason = self._budget.spend([isinstance(entry, DeadLetter) for entry in entries])
        if reason is not None:
            await self._stand_still(f"dead letters: {reason}; {fetched.partition} at {fetched.start}", stop)
        if fetched.floors is None:
            return entries
        unknown = unknown_sources(entries, fetched.floors)
        if unknown:
            if before is not None:
                await asyncio.wait([before])
            ask = partial(self._floors, unknown)
            fetched.floors.update(await self._persistence.persist_in_thread("warehouse", ask, stop))
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
        self._persistence.troubles[reason] = reason
        _log.error(
            "%s: ingest stands still. Mend the sender; or set %sDEAD_LETTER_PERCENT (100 takes all)",
            reason,
            PREFIX,
        )
        await stop.wait()
        raise StoppedError
