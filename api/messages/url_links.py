"""The link of each URL that stood in a message: one for a tenant, a domain and a URL, however many messages.

Its id is worked out from the three, so that it is found again without a search. A link whose destination
was changed since, or that is disabled or has expired, is no longer what the sender wrote: then the next id
counts.
"""

import asyncio
from typing import Final

from api.events import Clock, new_event_id
from api.links import Links, derived_link_id
from api.problems import unavailable
from api.rebuild import require_filled
from edge.contract import LinkStore, generate
from ingest.contract import Catalogue, CodeTakenError, LinkDocument, LinkSaved, LinkWithdrawn, Outbox

TAG: Final = "sms"
MAX_IDS: Final = 100
MAX_DRAWS: Final = 8
LINKS_AT_A_TIME: Final = 32  # where every destination has URLs of its own; Redis has fewer connections
MAX_NAME_CHARS: Final = 200


def url_link_id(tenant: str, domain: str, url: str, attempt: int = 0) -> str:
    """`lnk_` and 12 characters of a hash."""
    return derived_link_id(tenant, domain, url, str(attempt))


class UrlLinks:
    """Finds and makes the links. Owns nothing of what it is given."""

    def __init__(
        self, *, links: Links, link_store: LinkStore, catalogue: Catalogue, outbox: Outbox, clock: Clock
    ) -> None:
        self._links = links
        self._link_store = link_store
        self._catalogue = catalogue
        self._outbox = outbox
        self._clock = clock

    async def links_of(self, tenant: str, domain: str, urls: list[str]) -> dict[str, LinkDocument]:
        """The link of each URL (checked and in its normal form), made where there is none."""
        await require_filled(self._link_store, self._catalogue)
        places = asyncio.Semaphore(LINKS_AT_A_TIME)

        async def find(url: str) -> LinkDocument:
            async with places:
                return await self._link_of(tenant, domain, url)

        found = await asyncio.gather(*map(find, urls))
        return dict(zip(urls, found, strict=True))

    async def _link_of(self, tenant: str, domain: str, url: str) -> LinkDocument:
        for attempt in range(MAX_IDS):
            link_id = url_link_id(tenant, domain, url, attempt)
            link = await self._read(link_id)
            if link is None:
                async with self._links.hold(link_id):
                    link = await self._read(link_id) or await self._make(tenant, domain, url, link_id)
            if self._leads_to(link, url):
                return link
        raise unavailable("Every link of this URL was changed.")

    async def _read(self, link_id: str) -> LinkDocument | None:
        stored = await self._link_store.get_document(link_id)
        return None if stored is None else LinkDocument.from_json(stored[1])

    def _leads_to(self, link: LinkDocument, url: str) -> bool:
        expired = link.expires_at_ms is not None and link.expires_at_ms <= self._clock()
        return link.destination_url == url and link.enabled and not expired

    async def _make(self, tenant: str, domain: str, url: str, link_id: str) -> LinkDocument:
        for _ in range(MAX_DRAWS):
            link = _new_link(
                tenant, domain, url, link_id, await self._link_store.next_number(), self._clock()
            )
            at = link.created_at_ms
            try:
                await self._outbox.publish(
                    LinkSaved(new_event_id(), at, tenant, link),
                    undo=LinkWithdrawn(new_event_id(), at, tenant, link),
                )
            except CodeTakenError:
                continue  # next to impossible: the code was fresh
            return link
        raise unavailable("No free code was found.")


def _new_link(tenant: str, domain: str, url: str, link_id: str, number: int, now_ms: int) -> LinkDocument:
    return LinkDocument(
        number=number,
        id=link_id,
        tenant=tenant,
        name=url.partition("://")[2][:MAX_NAME_CHARS],
        domain=domain,
        suffix="",
        code=generate(),
        destination_url=url,
        ios_url=None,
        android_url=None,
        expires_at_ms=None,
        expired_url=None,
        campaign=None,
        tags=(TAG,),
        external_id=None,
        forward_query=False,
        enabled=True,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
        version=1,
    )
