"""Saves links into Redis and the catalogue; those that are saved at the same time go together.

A script, or an insert, costs little more for hundreds of links than for one. A link that is stored twice in
the catalogue, by an insert of several and by the one that repeats its event, is one link: the highest
version counts.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from edge.contract import LinkStore
from ingest.catalogue import Catalogue
from ingest.edge_link import link_entry
from ingest.link_events import LinkDocument
from ingest.warehouse import WarehouseUnavailableError

MAX_LINKS_A_BATCH: Final = 500


class TakenError(Exception):
    """Somebody else has what the event is about. Nothing came of the event, and nothing will."""


class CodeTakenError(TakenError):
    """Another link, or another recipient, has `codes`."""

    def __init__(self, message: str, codes: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.codes = frozenset(codes)


class LinkChangedError(TakenError):
    """Somebody else was quicker: the link has another version than this follows, or its id another link."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    link: LinkDocument
    token: str
    saved: asyncio.Future[None]


class LinkSaving:
    """Belongs to one event loop. Owns neither of its parts."""

    def __init__(self, link_store: LinkStore, catalogue: Catalogue) -> None:
        self._link_store = link_store
        self._catalogue = catalogue
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def save(self, link: LinkDocument, *, token: str) -> None:
        """Returns when the link is stored. Raises `TakenError`, and what Redis and the catalogue raise."""
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(link, token, saved))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await saved

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[:MAX_LINKS_A_BATCH]
                del self._waiting[:MAX_LINKS_A_BATCH]
                try:
                    await self._insert(await self._put(batch))
                except Exception as error:  # noqa: BLE001 - it belongs to those who wait
                    _refuse(batch, error)
        finally:
            self._writing = None

    async def _put(self, batch: Sequence[_Waiting]) -> list[_Waiting]:
        """Put the links into Redis and claim their codes; those with which that went well."""
        await self._link_store.raise_number(max(each.link.number for each in batch))
        put = await self._link_store.put_links([link_entry(each.link) for each in batch])
        late = [each for each, is_put in zip(batch, put, strict=True) if not is_put]
        _refuse(late, LinkChangedError("the link was changed by somebody else, or is gone"))
        by_domain: defaultdict[str, list[_Waiting]] = defaultdict(list)
        for each, is_put in zip(batch, put, strict=True):
            if is_put:
                by_domain[each.link.domain].append(each)
        well: list[_Waiting] = []
        for domain, some in by_domain.items():
            tag = await self._link_store.domain_tag(domain)
            numbers = [each.link.number for each in some]
            holders = await self._link_store.claim_codes_of(tag, [each.link.code for each in some], numbers)
            for each, holder in zip(some, holders, strict=True):
                if holder == each.link.number:
                    well.append(each)
                else:
                    await self._link_store.delete_link(each.link.id, each.link.number)
                    _refuse([each], CodeTakenError(f"code {each.link.code} of {domain} belongs to another"))
        return well

    async def _insert(self, batch: Sequence[_Waiting]) -> None:
        if not batch:
            return
        links = [each.link for each in batch]
        token = _token([each.token for each in batch])
        try:
            await asyncio.to_thread(self._catalogue.save_links, links, token=token)
        except WarehouseUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            if len(batch) == 1:
                _refuse(batch, error)
                return
            for each in batch:  # one bad row must not refuse the others
                await self._insert([each])
            return
        for each in batch:
            if not each.saved.done():  # whoever waited for it may be gone
                each.saved.set_result(None)


def _token(tokens: Sequence[str]) -> str:
    """For the same links always the same, and for no others: those would be dropped in silence."""
    return tokens[0] if len(tokens) == 1 else hashlib.sha256("\n".join(tokens).encode()).hexdigest()


def _refuse(batch: Sequence[_Waiting], error: Exception) -> None:
    for each in batch:
        if not each.saved.done():
            each.saved.set_exception(error)
