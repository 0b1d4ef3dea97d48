"""Saves links into the catalogue, those that are saved at the same time by one insert.

An insert costs the same for one row and for hundreds. A link that is stored twice, by an insert of several
and by the one that repeats its event, is one link: the highest version counts.
"""

import asyncio
from dataclasses import dataclass

from ingest.catalogue import Catalogue
from ingest.link_events import LinkDocument
from ingest.warehouse import WarehouseUnavailableError

MAX_LINKS_AN_INSERT = 500


@dataclass(frozen=True, slots=True)
class _Waiting:
    link: LinkDocument
    token: str
    saved: asyncio.Future[None]


class LinkSaving:
    """Belongs to one event loop. Does not own the catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def save(self, link: LinkDocument, *, token: str) -> None:
        """Returns when the link is stored. Raises what the catalogue raises."""
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(link, token, saved))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await saved

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[:MAX_LINKS_AN_INSERT]
                del self._waiting[:MAX_LINKS_AN_INSERT]
                await self._save(batch)
        finally:
            self._writing = None

    async def _save(self, batch: list[_Waiting]) -> None:
        links = [each.link for each in batch]
        try:
            if len(batch) == 1:
                await asyncio.to_thread(self._catalogue.save_link, links[0], token=batch[0].token)
            else:
                token = f"{batch[0].token}+{len(batch)}"
                await asyncio.to_thread(self._catalogue.save_links, links, token=token)
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            if len(batch) > 1 and not isinstance(error, WarehouseUnavailableError):
                for each in batch:  # one bad row must not refuse the others
                    await self._save([each])
                return
            for each in batch:
                if not each.saved.done():
                    each.saved.set_exception(error)
        else:
            for each in batch:
                if not each.saved.done():  # whoever waited for it may be gone
                    each.saved.set_result(None)
