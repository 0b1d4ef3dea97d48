"""The spool as a source: one machine needs no other bus. Each edge worker's folder is a partition."""

import asyncio
import fcntl
import logging
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from edge.contract import SOURCE_NAME
from ingest.sources.source import Fetched, PartitionLostError, Range, Source
from ingest.sources.spool_partition import REMOVED_SUFFIX, SpoolPartition
from ingest.sources.spool_position import PositionDamagedError

POLL_INTERVAL_S: Final = 0.05
FETCH_BYTES: Final = 32 * 1024 * 1024
READER_LOCK_NAME: Final = "reader.lock"

logger = logging.getLogger(__name__)


class SpoolInUseError(Exception):
    """Another process reads this spool. Two readers would store every click twice."""


class SpoolSource:
    """Reads every source in `folder`, living and dead; removes the dead ones once they are stored.

    Owns the folder's reading side: raises `SpoolInUseError` where it is taken. A source whose position is
    damaged is left alone, loudly.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock_fd = _lock_reader(folder)
        self._partitions: dict[str, SpoolPartition] = {}
        self._refused: set[str] = set()
        self._polling: asyncio.Future[list[Fetched]] | None = None
        self._turn = threading.Lock()  # partitions are used by one thread at a time
        for removed in folder.glob(f"*{REMOVED_SUFFIX}"):
            shutil.rmtree(removed)

    async def fetch(self, max_records: int, max_wait_s: float) -> Sequence[Fetched]:
        """As `Source.fetch`; at most about `FETCH_BYTES` at a time. Raises `OSError` where the disk fails."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max_wait_s
        while True:
            fetched = await self._poll(max_records)
            left_s = deadline - loop.time()
            if fetched or left_s <= 0:
                return fetched
            await asyncio.sleep(min(POLL_INTERVAL_S, left_s))

    async def plan(self, batch: Range) -> None:
        """As `Source.plan`. Raises `ValueError` out of turn, `OSError` where the disk is full."""
        await asyncio.to_thread(self._plan, batch)

    async def commit(self, batch: Range) -> None:
        """As `Source.commit`. Raises `ValueError` out of turn, `OSError` where the disk is full."""
        await asyncio.to_thread(self._commit, batch)

    @property
    def unit(self) -> Literal["bytes"]:
        return "bytes"

    def lag(self) -> int:
        """Bytes spooled and not yet stored, over all sources."""
        return sum(partition.lag_bytes() for partition in list(self._partitions.values()))

    async def close(self) -> None:
        if self._polling is not None:
            await asyncio.gather(self._polling, return_exceptions=True)
        with self._turn:
            for partition in self._partitions.values():
                partition.close()
            self._partitions.clear()
        os.close(self._lock_fd)

    async def _poll(self, max_records: int) -> list[Fetched]:
        """What a thread finds. Where the caller of `fetch` is cancelled, the next one gets what was found."""
        if self._polling is None:
            self._polling = asyncio.ensure_future(asyncio.to_thread(self._fetch_all, max_records))
        polling = self._polling
        await asyncio.wait([polling])
        self._polling = None
        found = polling.result()
        if sum(len(part.values) for part in found) >= max_records:
            # There is more. It is read while these are stored, and handed out when they are.
            self._polling = asyncio.ensure_future(asyncio.to_thread(self._fetch_all, max_records))
        return found

    def _fetch_all(self, max_records: int) -> list[Fetched]:
        found: list[Fetched] = []
        failure: OSError | None = None
        budget = FETCH_BYTES
        with self._turn:
            self._discover()
            for name, partition in list(self._partitions.items()):
                if budget <= 0:
                    break
                try:
                    fetched = partition.fetch(max_records, budget)
                    if fetched is None and partition.done:
                        del self._partitions[name]
                        partition.remove()
                except OSError as error:
                    failure = error
                    continue
                if fetched is not None:
                    found.append(fetched)
                    budget -= fetched.end - fetched.start
                    self._partitions[name] = self._partitions.pop(name)  # others come first next time
        if failure is not None and not found:
            raise failure  # what others gave must not be lost with it; it fails again when they are idle
        return found

    def _discover(self) -> None:
        for name in (path.name for path in self._folder.iterdir()):
            if not SOURCE_NAME.match(name) or name in self._partitions or name in self._refused:
                continue
            try:
                self._partitions[name] = SpoolPartition(self._folder / name)
            except PositionDamagedError as error:
                self._refused.add(name)
                logger.error("%s", error)  # noqa: TRY400 - the message says it all; there is no bug to trace

    def _plan(self, batch: Range) -> None:
        with self._turn:
            self._partition(batch).plan(batch)

    def _commit(self, batch: Range) -> None:
        with self._turn:
            self._partition(batch).commit(batch)

    def _partition(self, batch: Range) -> SpoolPartition:
        partition = self._partitions.get(batch.partition)
        if partition is None:
            raise PartitionLostError(f"{batch.partition} is not read here")
        return partition


def _lock_reader(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder / READER_LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise SpoolInUseError(
            f"{folder} is being read by another process: stop it, or choose another SMARTLINKS_DATA_DIR"
        ) from None
    return fd


def _conforms(source: SpoolSource) -> Source:
    return source
