"""Applies a link event to the two views of the links: Redis, then the catalogue. Twice does no harm."""

import asyncio
from collections.abc import Sequence
from typing import assert_never

from edge.contract import FREE, LinkStore
from ingest.catalogue import Catalogue
from ingest.link_events import (
    CodesMinted,
    CodesMintedAcross,
    DomainDeleted,
    DomainSaved,
    LinkDeleted,
    LinkDocument,
    LinkEvent,
    LinkSaved,
    LinkWithdrawn,
    RecipientErased,
)
from ingest.link_saving import CodeTakenError, LinkChangedError, LinkSaving, TakenError
from ingest.mint_lease import renew_mint


class DomainTakenError(TakenError):
    """The host is configured under another tag."""


class LinkEventApplier:
    """Owns neither of its parts."""

    def __init__(self, link_store: LinkStore, catalogue: Catalogue) -> None:
        self._link_store = link_store
        self._catalogue = catalogue
        self._saving = LinkSaving(link_store, catalogue)

    async def apply(self, event: LinkEvent) -> None:
        """Raises `TakenError`, and what the link store and the warehouse raise."""
        match event:
            case LinkSaved():
                await self._save(event)
            case LinkDeleted():
                await self._link_store.delete_link(event.link_id, event.number)
                await self._erase(event, event.number)
            case LinkWithdrawn():
                await self._withdraw(event.link)
                await self._erase(event, event.link.number)
            case CodesMinted():
                await self._mint(event)
            case CodesMintedAcross():
                await self._mint_across(event)
            case RecipientErased():
                await self._erase_recipient(event)
            case DomainSaved() | DomainDeleted():
                await self._put_domain(event)
            case _:
                assert_never(event)

    async def _save(self, event: LinkSaved) -> None:
        await self._saving.save(event.link, token=event.id)

    async def _erase(self, event: LinkDeleted | LinkWithdrawn, number: int) -> None:
        await asyncio.to_thread(self._catalogue.delete_link, event.tenant, number, event.at, token=event.id)

    async def _withdraw(self, link: LinkDocument) -> None:
        tag = await self._link_store.domain_tag(link.domain)
        if await self._link_store.resolve(tag, link.code) == link.number:
            await self._link_store.release_codes(tag, [link.code])
        await self._link_store.delete_link(link.id, link.number)

    async def _mint(self, event: CodesMinted) -> None:
        store, number = self._link_store, event.number
        if event.follows is None:
            await self._store_codes(event)
            return
        if not await store.begin_mint(number, event.id, event.follows):
            if not await asyncio.to_thread(self._is_stored, event):
                raise LinkChangedError(f"others minted codes of link {number} meanwhile")
            await self._claim_of_link(event)  # it was done already, but Redis may have lost its last second
            return
        async with renew_mint(store, number, event.id, event.follows):
            try:
                await self._store_codes(event)
            except CodeTakenError:
                await store.end_mint(number, event.id)
                raise
            if not await store.end_mint(number, event.id):
                raise LinkChangedError(f"link {number} is gone, or its codes were given up for lost")

    async def _store_codes(self, event: CodesMinted) -> None:
        await self._claim_of_link(event)
        await asyncio.to_thread(
            self._catalogue.add_codes, event.tenant, event.number, event.codes, event.at, token=event.id
        )

    async def _claim_of_link(self, event: CodesMinted) -> None:
        number = event.number
        await self._claim(event.tenant, event.domain, [(number, *minted) for minted in event.codes])

    async def _claim(self, tenant: str, domain: str, minted: Sequence[tuple[int, str, str, str]]) -> None:
        """Claim each code for its link and recipient. Raises `CodeTakenError` with those that are taken.

        A code that its link has already was claimed for this recipient before, or for another one: the code
        that is drawn twice for a link is rare, but then two people would share it.
        """
        tag = await self._link_store.domain_tag(domain)
        codes, numbers = [code for _, code, *_ in minted], [number for number, *_ in minted]
        holders = await self._link_store.claim_new_codes(tag, codes, numbers)
        claimed = [each for each, holder in zip(minted, holders, strict=True) if holder != FREE]
        if not claimed:
            return
        taken = {
            code for code, number, holder in zip(codes, numbers, holders, strict=True)
            if holder not in {FREE, number}
        } | await asyncio.to_thread(self._catalogue.codes_of_others, tenant, claimed)  # fmt: skip
        if taken:
            raise CodeTakenError("minted codes belong to other links or recipients", taken)

    def _is_stored(self, event: CodesMinted) -> bool:
        pairs = [(recipient, reference) for _, recipient, reference in event.codes]
        found = self._catalogue.codes_for(event.tenant, event.number, pairs)
        return all(found.get((recipient, reference)) == code for code, recipient, reference in event.codes)

    async def _mint_across(self, event: CodesMintedAcross) -> None:
        await self._claim(event.tenant, event.domain, event.codes)
        await asyncio.to_thread(
            self._catalogue.add_codes_across, event.tenant, event.codes, event.at, token=event.id
        )

    async def _erase_recipient(self, event: RecipientErased) -> None:
        """Redis first, so that no new clicks come while the old ones are erased."""
        codes = await asyncio.to_thread(self._catalogue.name_codes_of, event)
        for domain in {domain for domain, _ in codes}:
            tag = await self._link_store.domain_tag(domain)
            await self._link_store.release_codes(tag, [code for at, code in codes if at == domain])
        await asyncio.to_thread(self._catalogue.erase_recipient, event)

    async def _put_domain(self, event: DomainSaved | DomainDeleted) -> None:
        domain = event.domain
        if not await self._link_store.put_domain(domain.host, domain.tag, domain.to_json()):
            raise DomainTakenError(f"{domain.host} is configured under another tag than {domain.tag!r}")
        await asyncio.to_thread(self._catalogue.save_domain, domain, token=event.id)
