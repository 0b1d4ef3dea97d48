"""Making, changing and deleting links: each change is a link event, in the outbox before anywhere else."""

import asyncio
import dataclasses
import hashlib
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from api.audit.changes import note_change
from api.conventions.etags import require_match
from api.domains import Domains
from api.events import Clock, new_event_id
from api.fields import ms_of
from api.models import LinkPatch, NewLink, UpsertedLink
from api.problems import (
    CODE_TAKEN,
    Flaw,
    ProblemError,
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

ID_CHARS: Final = 12
KEPT_COMMANDS: Final = 32
"""More than a consumer that lost its partition may have under way on one link."""
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MAX_DRAWS: Final = 8  # of a fresh code; two misses in a row are next to impossible


@dataclass(frozen=True, slots=True)
class Past:
    """What a link brings along from another shortener."""

    clicks: int = 0
    created_at_ms: int | None = None


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
        if flaws := _unlike(new, link):
            raise invalid_body(*flaws)
        return await self.change(tenant, link.id, new)

    async def require_free(self, tenant: str, new: NewLink) -> None:
        """Nothing where the link with its past could be made at this moment; raises as `make` where not."""
        await self.check(new, may_have_expired=True)
        async with self._domains.use(tenant, new.domain) as domain:
            tag = await self._link_store.domain_tag(domain)
            if new.code is not None and await self._link_store.resolve(tag, new.code) is not None:
                raise _code_taken(new.code)

    async def _make_on(
        self, domain: str, tenant: str, new: NewLink, past: Past, link_id: str | None
    ) -> LinkDocument:
        tag = await self._link_store.domain_tag(domain)
        for _ in range(MAX_DRAWS):
            code = new.code or generate()
            if await self._link_store.resolve(tag, code) is None:
                number = await self._link_store.next_number()
                link = self._document(tenant, new, domain, code, number, past)
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
                raise _code_taken(new.code)
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
                    **_changes(patch),
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
        flaws += await self._domains.loops(_urls(fields))
        if flaws:
            raise invalid_body(*flaws)

    def _document(
        self, tenant: str, new: NewLink, domain: str, code: str, number: int, past: Past
    ) -> LinkDocument:
        now_ms = self._clock()
        fields = _changes(new)
        return LinkDocument(
            number=number,
            id=f"lnk_{generate(ID_CHARS)}",
            tenant=tenant,
            domain=domain,
            suffix=new.suffix or "",
            code=code,
            created_at_ms=now_ms if past.created_at_ms is None else past.created_at_ms,
            updated_at_ms=now_ms,
            version=1,
            imported_clicks=past.clicks,
            **{**_EMPTY, **fields},
        )


_EMPTY: Final[dict[str, Any]] = {
    "name": "",
    "ios_url": None,
    "android_url": None,
    "expires_at_ms": None,
    "expired_url": None,
    "campaign": None,
    "tags": (),
    "external_id": None,
    "forward_query": False,
    "enabled": True,
}


def derived_link_id(*parts: str) -> str:
    """A link's id that is worked out from texts, the same each time."""
    number = int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest())
    chars = []
    for _ in range(ID_CHARS):
        number, digit = divmod(number, len(_DIGITS))
        chars.append(_DIGITS[digit])
    return "lnk_" + "".join(chars)


def _unlike(new: NewLink, link: LinkDocument) -> list[Flaw]:
    """The fixed fields in which the body differs from the link."""
    wanted = {"code": new.code, "suffix": new.suffix, "domain": new.domain and new.domain.lower()}
    return [
        Flaw(f"Fixed once the link is made: it is {getattr(link, name) or 'empty'}", pointer_to(name))
        for name, value in wanted.items()
        if value is not None and value != getattr(link, name)
    ]


def _changes(fields: NewLink | LinkPatch) -> dict[str, Any]:
    """The document's fields that the body speaks of, by JSON Merge Patch: absent ones are not in it."""
    changes: dict[str, Any] = {}
    for name in fields.model_fields_set:
        value = getattr(fields, name)
        match name:
            case "name" | "forward_query":
                changes[name] = _EMPTY[name] if value is None else value
            case "tags":
                changes[name] = tuple(dict.fromkeys(value or ()))
            case "destination_url" | "expired_url" | "campaign" | "external_id":
                changes[name] = value
            case "expires_at":
                changes["expires_at_ms"] = None if value is None else ms_of(value)
            case "status":
                changes["enabled"] = value == "active"
            case "device_routes" if value is None:
                changes |= {"ios_url": None, "android_url": None}
            case "device_routes":
                changes |= {f"{device}_url": getattr(value, device) for device in value.model_fields_set}
            case _:  # code, domain, suffix: fixed
                pass
    return changes


def _urls(fields: NewLink | LinkPatch) -> Iterator[tuple[tuple[str, ...], str]]:
    """The URLs of a body, each with its path."""
    routes = fields.device_routes
    found = {
        ("destination_url",): fields.destination_url,
        ("expired_url",): fields.expired_url,
        ("device_routes", "ios"): routes and routes.ios,
        ("device_routes", "android"): routes and routes.android,
    }
    return ((path, url) for path, url in found.items() if url)


def _code_taken(code: str) -> ProblemError:
    detail = (
        f"Code {code} is taken, now or by a deleted link; choose another, or leave it out to get a fresh one"
    )
    return ProblemError(CODE_TAKEN, f"{detail}.", [Flaw(detail, pointer=pointer_to("code"))])
