"""Making, changing and deleting links: each change is a link event, in the outbox before anywhere else."""

import asyncio
import dataclasses
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from api.audit.changes import note_change
from api.conventions.etags import require_match
from api.domains import Domains
from api.events import Clock, new_event_id
from api.fields import ms_of
from api.link_fields import (
    Past,
    changes_of,
    code_taken,
    derived_link_id,
    new_document,
    unlike,
    urls_of,
)
from api.models import LinkPatch, NewLink, UpsertedLink
from api.problems import (
    Flaw,
    invalid_body,
    not_found,
    pointer_to,
    unavailable,
)
from api.rebuild import require_filled
from edge.contract import LinkStore, generate
from ingest.contract import (
    Catalogue,
    CodeTakenError,
    LinkChangedError,
    LinkDeleted,
    LinkDocument,
    LinkSaved,
    LinkWithdrawn,
    Outbox,
)

KEPT_COMMANDS: Final = 32
"""More than a consumer that lost its partition may have under way on one link."""
MAX_DRAWS: Final = 8  # of a fresh code; two misses in a row are next to impossible


class Links:
    """The links of all tenants.

    Changes to one link are made one after the other here. Of two that several api programs make at the same
    time Redis takes one, by the link's version; who comes too late reads the link again and changes that.
    """

    def __init__(
        self,
        *,
        domains: Domains,
        link_store: LinkStore,
        catalogue: Catalogue,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._domains = domains
        self._link_store = link_store
        self._catalogue = catalogue
        self._outbox = outbox
        self._clock = clock
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, link_id: str) -> AsyncIterator[None]:
        """Nobody else changes the link meanwhile, and every earlier change of it is applied."""
        lock = self._locks.setdefault(link_id, asyncio.Lock())
        async with lock:
            await self._outbox.settle()
            yield

    async def read(self, tenant: str, link_id: str) -> LinkDocument:
        """Raises a 404 where the tenant has no such link."""
        link = await self._find(link_id)
        if link is None:
            await require_filled(self._link_store, self._catalogue)
        if link is None or link.tenant != tenant:
            raise not_found("link")
        return link

    async def _find(self, link_id: str) -> LinkDocument | None:
        stored = await self._link_store.get_document(link_id)
        return None if stored is None else LinkDocument.from_json(stored[1])

    async def has_code(self, link: LinkDocument, code: str) -> bool:
        """Whether the code, its own or a recipient's, leads to the link."""
        tag = await self._link_store.domain_tag(link.domain)
        return await self._link_store.resolve(tag, code) == link.number

    async def make(
        self, tenant: str, new: NewLink, past: Past | None = None, *, link_id: str | None = None
    ) -> LinkDocument:
        """Raises a 422 where the fields don't fit, a 409 where the code is taken.

        A link with a `past` may have expired already. `link_id` is a fresh one unless it is given: then it
        raises `LinkChangedError` where there is, or was meanwhile made, a link of that id.
        """
        await self._outbox.settle()
        await require_filled(self._link_store, self._catalogue)
        await self.check(new, may_have_expired=past is not None)
        async with self._domains.use(tenant, new.domain) as domain:
            return await self._make_on(domain, tenant, new, past or Past(), link_id)

    async def upsert(self, tenant: str, new: UpsertedLink) -> tuple[LinkDocument, bool]:
        """The one link with this external id, and whether it was made just now.

        Two that come at the same time make one link. Raises a 422 where the fields don't fit, a 409 where the
        code is taken.
        """
        lock = self._locks.setdefault(f"{tenant}/{new.external_id}", asyncio.Lock())
        async with lock:
            await self._outbox.settle()
            found = await asyncio.to_thread(self._catalogue.links_named, tenant, [new.external_id])
            if new.external_id in found:
                return await self._change_known(tenant, found[new.external_id], new), False
            for attempt in range(MAX_DRAWS):
                # Its id makes it known to all api programs before the catalogue has it.
                link_id = derived_link_id("external", tenant, new.external_id, str(attempt))
                link = await self._find(link_id)
                if link is None:
                    try:
                        return await self.make(tenant, new, link_id=link_id), True
                    except LinkChangedError:
                        link = await self._find(link_id)
                if link is not None and (link.tenant, link.external_id) == (tenant, new.external_id):
                    return await self._change_known(tenant, link, new), False
        raise unavailable("The link is changed by others all the time.")

    async def _change_known(self, tenant: str, link: LinkDocument, new: UpsertedLink) -> LinkDocument:
        if flaws := unlike(new, link):
            raise invalid_body(*flaws)
        return await self.change(tenant, link.id, new)

    async def require_free(self, tenant: str, new: NewLink) -> None:
        """Nothing where the link with its past could be made at this moment; raises as `make` where not."""
        await self.check(new, may_have_expired=True)
        async with self._domains.use(tenant, new.domain) as domain:
            tag = await self._link_store.domain_tag(domain)
            if new.code is not None and await self._link_store.resolve(tag, new.code) is not None:
                raise code_taken(new.code)

    async def _make_on(
        self, domain: str, tenant: str, new: NewLink, past: Past, link_id: str | None
    ) -> LinkDocument:
        tag = await self._link_store.domain_tag(domain)
        for _ in range(MAX_DRAWS):
            code = new.code or generate()
            if await self._link_store.resolve(tag, code) is None:
                number = await self._link_store.next_number()
                link = new_document(tenant, new, domain, code, number, past, now_ms=self._clock())
                if link_id is not None:
                    link = dataclasses.replace(link, id=link_id)
                try:
                    await self._outbox.publish(
                        LinkSaved(new_event_id(), link.created_at_ms, tenant, link),
                        undo=LinkWithdrawn(new_event_id(), link.created_at_ms, tenant, link),
                    )
                except CodeTakenError:
                    pass
                else:
                    note_change("link", link.id, after=link)
                    return link
            if new.code is not None:
                raise code_taken(new.code)
        raise unavailable("No free code was found.")

    async def change(
        self,
        tenant: str,
        link_id: str,
        patch: LinkPatch | NewLink,
        *,
        if_match: str | None = None,
        command: str | None = None,
    ) -> LinkDocument:
        """Raises a 404 where there is no such link, a 412 where `if_match` names another version, a 422.

        `command` is the id of the command on the bus that asks for it: one that did it already does no more.
        """
        await self.check(patch)
        async with self.hold(link_id):
            for _ in range(MAX_DRAWS):
                link = await self.read(tenant, link_id)
                if command is not None and command in link.commands:
                    return link
                require_match(if_match, link.version)
                changed = dataclasses.replace(
                    link,
                    **changes_of(patch),
                    updated_at_ms=max(self._clock(), link.updated_at_ms),
                    version=link.version + 1,
                    commands=link.commands if command is None else (*link.commands, command)[-KEPT_COMMANDS:],
                )
                try:
                    await self._outbox.publish(
                        LinkSaved(new_event_id(), changed.updated_at_ms, tenant, changed)
                    )
                except LinkChangedError:
                    continue  # another api program was quicker
                note_change("link", link_id, before=link, after=changed)
                return changed
        raise unavailable("The link is changed by others all the time.")

    async def delete(self, tenant: str, link_id: str, *, if_match: str | None = None) -> None:
        """Stop the redirect at once; the analytics are erased behind it. Raises a 404, a 412."""
        async with self.hold(link_id):
            link = await self.read(tenant, link_id)
            require_match(if_match, link.version)
            await self._outbox.publish(
                LinkDeleted(new_event_id(), self._clock(), tenant, link.number, link.id)
            )
            note_change("link", link_id, before=link)

    async def check(self, fields: NewLink | LinkPatch, *, may_have_expired: bool = False) -> None:
        """What the models can't know: the time, and our own domains. Raises a 422."""
        flaws = []
        is_past = fields.expires_at is not None and ms_of(fields.expires_at) <= self._clock()
        if is_past and not may_have_expired:
            flaws.append(
                Flaw("The time is past; give one to come, or leave it out", pointer_to("expires_at"))
            )
        flaws += await self._domains.loops(urls_of(fields))
        if flaws:
            raise invalid_body(*flaws)
