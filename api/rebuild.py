"""Fills an emptied Redis again from the catalogue: domains, links, public ids, all codes, highest number."""

import asyncio
import logging
from collections.abc import Iterator
from itertools import islice
from typing import Final, TypeVar

from edge.contract import LinkStore, LinkStoreUnavailableError
from ingest.contract import Catalogue, edge_link

LINKS_A_STEP: Final = 500
LOG_EVERY: Final = 100_000

Item = TypeVar("Item")

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


async def rebuild_link_store(link_store: LinkStore, catalogue: Catalogue) -> int:
    """Rebuild if the store was emptied; how many links and codes that were, 0 where there was no need.

    The highest number goes last, so that a rebuild which died half-way begins again at the next start.
    Raises `LinkStoreUnavailableError`, `WarehouseUnavailableError`.
    """
    if not await link_store.is_empty():
        return 0
    highest = await asyncio.to_thread(catalogue.highest_number)
    tags = await _put_domains(link_store, catalogue)
    if highest == 0:
        await link_store.raise_number(0)  # new, not emptied: edges answer 404 from now on
        return 0
    log.warning("Redis is empty while the catalogue has links: rebuilding it")
    tag_of_link: dict[int, str] = {}
    count = 0
    links = catalogue.all_links()
    while step := await asyncio.to_thread(_take, links, LINKS_A_STEP):
        for link in step:
            tag = tag_of_link[link.number] = tags.get(link.domain, "")
            await link_store.put_link(link.id, link.number, edge_link(link), link.to_json())
            await link_store.claim_codes(tag, [link.code], link.number)
        count = _report(count, len(step))
    retired = catalogue.retired_codes()
    while tombstones := await asyncio.to_thread(_take, retired, LINKS_A_STEP):
        for number, domain, code in tombstones:
            await link_store.claim_codes(tags.get(domain, ""), [code], number)
        count = _report(count, len(tombstones))
    codes = catalogue.all_codes()
    while runs := await asyncio.to_thread(_take, codes, LINKS_A_STEP):
        for number, run in runs:
            if number in tag_of_link:
                await link_store.claim_codes(tag_of_link[number], run, number)
            count = _report(count, len(run))
        await link_store.make_room()
    await link_store.raise_number(highest)
    log.info("Redis is rebuilt: %d links and codes", count)
    return count


async def _put_domains(link_store: LinkStore, catalogue: Catalogue) -> dict[str, str]:
    """The tag of every host; those that were never more than the default domain have none."""
    domains = await asyncio.to_thread(catalogue.domains)
    for domain in domains:
        await link_store.put_domain(domain.host, domain.tag, domain.to_json())
    return {domain.host: domain.tag for domain in domains}


def _take(iterator: Iterator[Item], count: int) -> list[Item]:
    return list(islice(iterator, count))


def _report(before: int, more: int) -> int:
    after = before + more
    if before // LOG_EVERY != after // LOG_EVERY:
        log.info("Redis: %d links and codes are back", after)
    return after
