"""Keeps a worker's spool: has it written to the disk, and made later where it can't be made at first.

A disk that takes nothing (read-only, full) stops no redirect, not even of a worker that starts then: its
clicks are dropped and counted until a spool can be made.
"""

import asyncio
import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from edge.spool import SpoolWriter

SYNC_S: Final = 1.0
START_WRITING_S: Final = 0.02
MUCH_TO_WRITE_BYTES: Final = 256 * 1024
TRY_AGAIN_S: Final = 1.0

_log = logging.getLogger(__name__)


class AbsentSpool:
    """In place of a spool that could not be made: each append fails for the reason why."""

    def __init__(self, reason: OSError) -> None:
        self.source: Final = 0
        self.take_seq: Final[Callable[[], int]] = itertools.count(1).__next__
        self.unsynced_bytes: Final = 0
        self._reason = reason

    def append(self, frames: bytes) -> None:  # noqa: ARG002 - none of them
        """Raises `OSError`."""
        raise OSError(self._reason.errno, self._reason.strerror, self._reason.filename)

    def close(self) -> None: ...


class SpoolUser(Protocol):
    """Whoever spools clicks."""

    spool: SpoolWriter | AbsentSpool

    def use_spool(self, spool: SpoolWriter) -> None:
        """Spool to this one from now on."""
        ...


def open_spool(folder: Path) -> SpoolWriter | AbsentSpool:
    """A new spool in the folder, or what stands in for it."""
    try:
        return SpoolWriter(folder)
    except OSError as error:
        return AbsentSpool(error)


async def keep_spool(user: SpoolUser, folder: Path, ended: asyncio.Event) -> None:
    """Keep the spool of `user` in the folder until `ended` is set."""
    while isinstance(user.spool, AbsentSpool):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TRY_AGAIN_S):
                await ended.wait()
                return
        spool = await asyncio.to_thread(open_spool, folder)
        if isinstance(spool, SpoolWriter):
            user.use_spool(spool)
    thread_ends = threading.Event()
    async with asyncio.TaskGroup() as syncing:  # should its thread fail, so does whoever keeps the spool
        syncing.create_task(asyncio.to_thread(_sync_until, thread_ends, user.spool))
        try:
            await ended.wait()
        finally:
            thread_ends.set()  # no thread is ever cancelled


def _sync_until(ended: threading.Event, spool: SpoolWriter) -> None:
    """Sync the spool each second; in between, have the disk begin with it (`docs/decisions.md` has why).

    It blocks: for a thread of its own.
    """
    sync_at = time.monotonic() + SYNC_S
    while not ended.wait(START_WRITING_S):
        if time.monotonic() < sync_at:
            if spool.unstarted_bytes >= MUCH_TO_WRITE_BYTES:
                spool.start_writing()
            continue
        sync_at = time.monotonic() + SYNC_S
        if spool.unsynced_bytes:
            try:
                spool.sync()
            except OSError:
                _log.exception("the spool could not be synced to disk")
