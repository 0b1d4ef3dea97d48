"""The link of each URL that stood in a message: one for a tenant, a domain and a URL, however many messages.

Its id is worked out from the three, so that it is found again without a search. A link whose destination
was changed since, or that is disabled or has expired, is no longer what the sender wrote: then the next id
counts. Of two api programs that make it at the same time Redis takes one, and the other finds that.
"""

import asyncio
from typing import Final

from api.events import Clock, new_event_id
from api.link_fields import derived_link_id
from api.problems import unavailable
from api.rebuild import require_filled
from edge.contract import LinkStore, generate
from ingest.contract import (
    Catalogue,
    CodeTakenError,
    LinkChangedError,
    LinkDocument,
    LinkSaved,
    LinkWithdrawn,
    Outbox,
)

TAG: Final = "sms"
MAX_IDS: Final = 100
MAX_NAME_CHARS: Final = 200


def url_link_id(tenant: str, domain: str, url: str, attempt: int = 0) -> str:
    """`lnk_` and 12 characters of a hash."""
    return derived_link_id(tenant, domain, url, str(attempt))


class UrlLinks:
    """Finds and makes the links. Owns nothing of what it is given."""

    def __init__(self, *, link_store: LinkStore, catalogue: Catalogue, outbox: Outbox, clock: Clock) -> None:
        self._link_store = link_store
        self._catalogue = catalogue
        self._outbox = outbox
        self._clock = clock

    async def links_of(self, tenant: str, domain: str, urls: list[str]) -> dict[str, LinkDocument]:
        """The link of each URL (checked and in its normal form), made where there is none."""
        await self._outbox.settle()
        await require_filled(self._link_store, self._catalogue)
        found: dict[str, LinkDocument] = {}
        attempts = dict.fromkeys(urls, 0)
        for _ in range(MAX_IDS):
            wanted = [url for url in urls if url not in found]
            if not wanted:
                return found
            ids = [url_link_id(tenant, domain, url, attempts[url]) for url in wanted]
            stored = await self._link_store.get_documents(ids)
            missing: list[tuple[str, str]] = []
            for url, link_id, entry in zip(wanted, ids, stored, strict=True):
                if entry is None:
                    missing.append((url, link_id))
                elif self._leads_to(link := LinkDocument.from_json(entry[1]), url):
                    found[url] = link
                else:
                    attempts[url] += 1
            found |= await self._make(tenant, domain, missing)
        raise unavailable("Every link of this URL was changed.")

    async def _make(
        self, tenant: str, domain: str, missing: list[tuple[str, str]]
    ) -> dict[str, LinkDocument]:
        """Links of these URLs under these ids; without those that another was quicker to make."""
        if not missing:
            return {}
        numbers = await self._link_store.next_numbers(len(missing))
        links = [
            _new_link(tenant, domain, url, link_id, number, self._clock())
            for (url, link_id), number in zip(missing, numbers, strict=True)
        ]
        made = await asyncio.gather(*map(self._publish, links), return_exceptions=True)
        for outcome in made:
            if isinstance(outcome, BaseException):
                raise outcome
        return {link.destination_url: link for link, is_made in zip(links, made, strict=True) if is_made}

    async def _publish(self, link: LinkDocument) -> bool:
        at = link.created_at_ms
        try:
            await self._outbox.publish(
                LinkSaved(new_event_id(), at, link.tenant, link),
                undo=LinkWithdrawn(new_event_id(), at, link.tenant, link),
            )
        except (CodeTakenError, LinkChangedError):
            return False
        return True

    def _leads_to(self, link: LinkDocument, url: str) -> bool:
        expired = link.expires_at_ms is not None and link.expires_at_ms <= self._clock()
        return link.destination_url == url and link.enabled and not expired


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
