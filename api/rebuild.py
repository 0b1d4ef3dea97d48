"""Fills an emptied Redis again from the catalogue: domains, links, public ids, all codes, highest number.

On a cluster one node may have lost its part: then all is gone through, and what is whole is left alone.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from edge.contract import LinkStore, LinkStoreUnavailableError
from ingest.contract import Catalogue, LinkDocument, link_entry

LINKS_A_STEP: Final = 500
AT_ONCE: Final = 8  # fewer than Redis has connections, for others ask at the same time
LOG_EVERY: Final = 100_000

Item = TypeVar("Item")
OnRestored = Callable[[int], None]

log = logging.getLogger(__name__)


async def require_filled(link_store: LinkStore, catalogue: Catalogue) -> None:
    """An emptied Redis says "no such link" and gives numbers and tags anew: wait until it is rebuilt.

    Raises `LinkStoreUnavailableError` where it has no number given while the catalogue has links or domains.
    """
    if not await link_store.is_empty():
        return
    highest = await asyncio.to_thread(catalogue.highest_number)
    domains = await asyncio.to_thread(catalogue.domains)
    if highest > 0 or domains:
        raise LinkStoreUnavailableError("Redis was emptied and is being filled again")


async def rebuild_link_store(
    link_store: LinkStore,
    catalogue: Catalogue,
    on_restored: OnRestored = lambda _count: None,
    *,
    room_for: int = 0,
) -> int:
    """Rebuild if the store was emptied; how many links and codes that were, 0 where there was no need.

    Buckets are laid out for the codes that there are, and for `room_for` of them at the least.
    `on_restored` is told of each step how many more there are. The store is marked whole last, so that a
    rebuild which died half-way begins again at the next start.
    Raises `LinkStoreUnavailableError`, `WarehouseUnavailableError`.
    """
    if await link_store.is_whole():
        return 0
    highest = await asyncio.to_thread(catalogue.highest_number)
    tags = await _restore_domains(link_store, catalogue)
    if highest == 0:
        await link_store.lay_out(room_for)
        await link_store.mark_whole(0)  # new, not emptied: edges answer 404 from now on
        return 0
    total = await asyncio.to_thread(catalogue.count_links_and_codes)
    log.warning("Redis lost its links: restoring %d links and codes from the catalogue", total)
    await link_store.lay_out(max(total, room_for))
    rebuild = _Rebuild(link_store, tags, _Progress(total, on_restored))
    count = await rebuild.run(catalogue)
    await link_store.mark_whole(highest)
    rebuild.progress.end()
    return count


class _Progress:
    def __init__(self, total: int, on_restored: OnRestored) -> None:
        self.count = 0
        self._total = total
        self._on_restored = on_restored
        self._began_s = time.monotonic()

    def add(self, more: int) -> None:
        before, self.count = self.count, self.count + more
        self._on_restored(more)
        if before // LOG_EVERY != self.count // LOG_EVERY:
            percent = min(100, 100 * self.count // max(1, self._total))
            log.info(
                "Redis: %d links and codes are back (%d %%), %d a second", self.count, percent, self._rate()
            )

    def end(self) -> None:
        took_s = time.monotonic() - self._began_s
        log.info(
            "Redis is rebuilt: %d links and codes in %.1f s, %d a second", self.count, took_s, self._rate()
        )

    def _rate(self) -> float:
        return self.count / max(0.001, time.monotonic() - self._began_s)


class _Rebuild:
    def __init__(self, link_store: LinkStore, tags: dict[str, str], progress: _Progress) -> None:
        self.progress = progress
        self._link_store = link_store
        self._tags = tags
        self._tag_of_link: dict[int, str] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self, catalogue: Catalogue) -> int:
        links = catalogue.all_links()
        while step := await asyncio.to_thread(_take, links, LINKS_A_STEP):
            await self._all_of(map(self._restore, step))
            self.progress.add(len(step))
        retired = catalogue.retired_codes()
        while tombstones := await asyncio.to_thread(_take, retired, LINKS_A_STEP):
            await self._all_of(
                self._link_store.restore_codes(self._tags.get(domain, ""), [code], number)
                for number, domain, code in tombstones
            )
            self.progress.add(len(tombstones))
        codes = catalogue.all_codes()
        while runs := await asyncio.to_thread(_take, codes, LINKS_A_STEP):
            await self._all_of(
                self._link_store.restore_codes(self._tag_of_link[number], run, number)
                for number, run in runs
                if number in self._tag_of_link
            )
            self.progress.add(sum(len(run) for _, run in runs))
            await self._link_store.make_room()
        return self.progress.count

    async def _restore(self, link: LinkDocument) -> None:
        tag = self._tag_of_link[link.number] = self._tags.get(link.domain, "")
        await self._link_store.restore_link(link_entry(link))
        await self._link_store.restore_codes(tag, [link.code], link.number)

    async def _all_of(self, writes: Iterable[Awaitable[Any]]) -> None:
        async def one(write: Awaitable[Any]) -> None:
            async with self._places:
                await write

        async with asyncio.TaskGroup() as tasks:
            for write in writes:
                tasks.create_task(one(write))


async def _restore_domains(link_store: LinkStore, catalogue: Catalogue) -> dict[str, str]:
    """The tag of every host; those that were never more than the default domain have none."""
    domains = await asyncio.to_thread(catalogue.domains)
    if await link_store.is_empty():
        for domain in domains:
            await link_store.put_domain(domain.host, domain.tag, domain.to_json())
    return {domain.host: domain.tag for domain in domains}


def _take(iterator: Iterator[Item], count: int) -> list[Item]:
    return list(islice(iterator, count))
