"""Minting codes for recipients: the same (link, recipient, reference) always gets its same code."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from api.events import Clock, new_event_id
from api.links import Links
from api.models import NewRecipient
from api.problems import unavailable
from edge.contract import LinkStore, generate_many
from ingest.contract import MAX_EVENT_BYTES, Catalogue, CodesMinted, LinkDocument, Outbox

MAX_DRAWS: Final = 8
_MINTED_OVERHEAD_BYTES = 32  # brackets, quotes, commas and the code itself

Pair = tuple[str, str]
"""Recipient and reference."""


class Recipients:
    """Mints codes. One mint a link at a time, so that no pair gets two codes."""

    def __init__(
        self,
        *,
        links: Links,
        link_store: LinkStore,
        catalogue: Catalogue,
        outbox: Outbox,
        clock: Clock,
        on_minted: Callable[[int], None],
    ) -> None:
        """`on_minted` is told how many codes were new."""
        self._links = links
        self._link_store = link_store
        self._catalogue = catalogue
        self._outbox = outbox
        self._clock = clock
        self._on_minted = on_minted

    async def mint(
        self, tenant: str, link_id: str, wanted: Sequence[NewRecipient]
    ) -> tuple[LinkDocument, list[str]]:
        """The link, and a code for each recipient in order. Raises a 404 where there is no such link."""
        pairs = [(one.recipient, one.reference) for one in wanted]
        async with self._links.hold(link_id):
            link = await self._links.read(tenant, link_id)
            codes = await asyncio.to_thread(
                self._catalogue.codes_for, tenant, link.number, list(dict.fromkeys(pairs))
            )
            missing = [pair for pair in dict.fromkeys(pairs) if pair not in codes]
            fresh = await self._draw(link, len(missing))
            for chunk in _chunks(missing):
                minted = tuple((fresh.pop(), *pair) for pair in chunk)
                await self._outbox.publish(
                    CodesMinted(new_event_id(), self._clock(), tenant, link.number, link.domain, minted)
                )
                self._on_minted(len(minted))
                codes.update({(recipient, reference): code for code, recipient, reference in minted})
        return link, [codes[pair] for pair in pairs]

    async def _draw(self, link: LinkDocument, count: int) -> list[str]:
        """Fresh codes that are this link's now; whoever dies here leaves codes that nobody was told of."""
        tag = await self._link_store.domain_tag(link.domain)
        drawn: list[str] = []
        for _ in range(MAX_DRAWS):
            if len(drawn) == count:
                return drawn
            candidates = list(set(generate_many(count - len(drawn))) - set(drawn))
            holders = await self._link_store.claim_codes(tag, candidates, link.number)
            drawn += [code for code, holder in zip(candidates, holders, strict=True) if holder == link.number]
        raise unavailable("No free codes were found.")


def _chunks(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    """Runs that fit into one event each."""
    start = size = 0
    for at, (recipient, reference) in enumerate(pairs):
        # Six bytes is the most that JSON spends on a character.
        bytes_at_most = 6 * (len(recipient) + len(reference)) + _MINTED_OVERHEAD_BYTES
        if size + bytes_at_most > MAX_EVENT_BYTES:
            yield pairs[start:at]
            start, size = at, 0
        size += bytes_at_most
    if start < len(pairs):
        yield pairs[start:]
