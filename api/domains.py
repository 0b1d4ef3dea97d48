"""The domains that links are made on: the default one, and those that are configured here."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from api.audit.changes import note_change
from api.auth import DEFAULT_TENANT
from api.domain_models import DomainPatch, NewDomain
from api.events import Clock, new_event_id
from api.problems import (
    DOMAIN_IN_USE,
    DOMAIN_TAKEN,
    FORBIDDEN,
    Flaw,
    ProblemError,
    invalid_body,
    not_found,
    pointer_to,
)
from api.rebuild import require_filled
from api.urls import points_to, written_domain
from edge.contract import LinkStore
from ingest.contract import (
    Catalogue,
    DomainDeleted,
    DomainDocument,
    DomainSaved,
    DomainTakenError,
    Outbox,
    PageText,
)

REFRESH_S: Final = 1.0
_PAGES: Final = ("not_found_page", "expired_page")


class Domains:
    """The domains of all tenants. Changes are made one after the other.

    The default domain belongs to the tenant of the first service key and is open to all others' links.
    What another api changed is known here within `REFRESH_S`.
    """

    def __init__(
        self,
        *,
        default_domain: str,
        link_store: LinkStore,
        catalogue: Catalogue,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self.default: Final = default_domain
        self._link_store = link_store
        self._catalogue = catalogue
        self._outbox = outbox
        self._clock = clock
        self._known: dict[str, DomainDocument] = {}
        self._stale_at: float | None = None
        self._changing = asyncio.Lock()
        self._links_under_way: Counter[str] = Counter()
        self._leaving: set[str] = set()

    async def list_open(self, tenant: str) -> list[DomainDocument]:
        """Those that the tenant's links can be made on: the default one first, then by host."""
        known = await self._read(fresh=True)
        others = sorted(
            (domain for domain in known.values() if _is_open(domain, tenant) and domain.host != self.default),
            key=lambda domain: domain.host,
        )
        return [self._default_of(known), *others]

    async def read(self, tenant: str, host: str) -> DomainDocument:
        """Raises a 404 where the tenant can't make links on such a domain."""
        known = await self._read(fresh=True)
        domain = self._default_of(known) if host == self.default else known.get(host)
        if domain is None or not (host == self.default or _is_open(domain, tenant)):
            raise not_found("domain")
        return domain

    async def make(self, tenant: str, new: NewDomain) -> DomainDocument:
        """Raises a 409 where the host is configured, a 422 where the fields don't fit."""
        async with self._hold():
            known = await self._read(fresh=True)
            former = known.get(new.host)
            if new.host == self.default or (former is not None and not former.deleted):
                raise _domain_taken(new.host)
            now_ms = self._clock()
            empty = _empty(new.host, tenant, await self._tag_for(new.host, former), now_ms)
            version = 1 if former is None else former.version + 1
            domain = dataclasses.replace(empty, **_changes(new), version=version)
            await self._check_urls(domain)
            try:
                await self._outbox.publish(
                    DomainSaved(new_event_id(), now_ms, tenant, domain),
                    undo=DomainDeleted(new_event_id(), now_ms, tenant, _remains(domain, now_ms)),
                )
            except DomainTakenError:
                raise _domain_taken(new.host) from None
            self._known[domain.host] = domain
            note_change("domain", domain.host, after=domain)
            return domain

    async def change(self, tenant: str, host: str, patch: DomainPatch) -> DomainDocument:
        """Raises a 404 where there is no such domain, a 403 where it is not the tenant's, a 422."""
        async with self._hold():
            domain = await self._own(tenant, host)
            changed = dataclasses.replace(
                domain,
                **_changes(patch),
                updated_at_ms=max(self._clock(), domain.updated_at_ms),
                version=domain.version + 1,
            )
            await self._check_urls(changed)
            await self._outbox.publish(DomainSaved(new_event_id(), changed.updated_at_ms, tenant, changed))
            self._known[host] = changed
            note_change("domain", host, before=domain, after=changed)
            return changed

    async def delete(self, tenant: str, host: str) -> None:
        """Raises a 404, a 403, and a 409 where links stand on the domain or it is the default one."""
        async with self._hold():
            domain = await self._own(tenant, host)
            if host == self.default:
                raise ProblemError(
                    DOMAIN_IN_USE, "This is the default domain of the settings, which can't be deleted."
                )
            self._leaving.add(host)
            try:
                await self._require_no_links(host)
                now_ms = self._clock()
                remains = _remains(domain, now_ms)
                await self._outbox.publish(DomainDeleted(new_event_id(), now_ms, tenant, remains))
                self._known[host] = remains
                note_change("domain", host, before=domain)
            finally:
                self._leaving.discard(host)

    @asynccontextmanager
    async def use(self, tenant: str, wanted: str | None) -> AsyncIterator[str]:
        """The host to make a link on, which nobody deletes meanwhile. Raises a 422 naming those there are."""
        host = self.default if wanted is None else written_domain(wanted)
        if host != self.default and not self._serves(host, tenant, await self._read()):
            known = await self._read(fresh=True)
            if not self._serves(host, tenant, known):
                open_to_tenant = (domain.host for domain in await self.list_open(tenant))
                raise invalid_body(
                    Flaw(
                        f"Not a configured domain; there are: {', '.join(open_to_tenant)}",
                        pointer_to("domain"),
                    )
                )
        self._links_under_way[host] += 1
        try:
            yield host
        finally:
            self._links_under_way[host] -= 1
            if not self._links_under_way[host]:
                del self._links_under_way[host]

    async def loops(self, urls: Iterable[tuple[tuple[str, ...], str]], *more_hosts: str) -> list[Flaw]:
        """What is wrong with the URLs, each given with its path in the body, that lead back to us."""
        known = await self._read()
        hosts = {self.default, *more_hosts, *(host for host, each in known.items() if not each.deleted)}
        return [
            Flaw(f"The URL leads back to {host}, which would be a loop", pointer_to(*path))
            for path, url in urls
            for host in hosts
            if points_to(url, host)
        ]

    @asynccontextmanager
    async def _hold(self) -> AsyncIterator[None]:
        """Nobody else changes a domain meanwhile, and every earlier change is applied."""
        async with self._changing:
            await self._outbox.settle()
            yield

    async def _read(self, *, fresh: bool = False) -> dict[str, DomainDocument]:
        """All documents by host, read `REFRESH_S` ago at the most."""
        now = asyncio.get_running_loop().time()
        if fresh or self._stale_at is None or now >= self._stale_at:
            await require_filled(self._link_store, self._catalogue)
            for host, document in (await self._link_store.domains()).items():
                stored, known = DomainDocument.from_json(document), self._known.get(host)
                if known is None or stored.version > known.version:  # it was perhaps changed while we read
                    self._known[host] = stored
            self._stale_at = now + REFRESH_S
        return self._known

    async def _own(self, tenant: str, host: str) -> DomainDocument:
        domain = await self.read(tenant, host)
        if domain.tenant != tenant:
            raise ProblemError(FORBIDDEN, "The default domain is changed with the first service key only.")
        return domain

    async def _tag_for(self, host: str, former: DomainDocument | None) -> str:
        """A host keeps its tag for ever. A former default domain has had none, and links perhaps."""
        if former is not None:
            return former.tag
        if await asyncio.to_thread(self._catalogue.links_on, host):
            return ""
        return await self._link_store.next_domain_tag()

    async def _check_urls(self, domain: DomainDocument) -> None:
        urls = (("not_found_url", domain.not_found_url), ("expired_url", domain.expired_url))
        flaws = await self.loops([((name,), url) for name, url in urls if url is not None], domain.host)
        if flaws:
            raise invalid_body(*flaws)

    async def _require_no_links(self, host: str) -> None:
        if self._links_under_way[host]:
            raise ProblemError(DOMAIN_IN_USE, "A link is being made on this domain at this moment.")
        count = await asyncio.to_thread(self._catalogue.links_on, host)
        if count:
            links = "1 link stands" if count == 1 else f"{count:,} links stand"
            raise ProblemError(DOMAIN_IN_USE, f"{links} on this domain; delete them first.")

    def _default_of(self, known: dict[str, DomainDocument]) -> DomainDocument:
        return known.get(self.default) or _empty(self.default, DEFAULT_TENANT, "", 0)

    def _serves(self, host: str, tenant: str, known: dict[str, DomainDocument]) -> bool:
        domain = known.get(host)
        return domain is not None and _is_open(domain, tenant) and host not in self._leaving


def _is_open(domain: DomainDocument, tenant: str) -> bool:
    return domain.tenant == tenant and not domain.deleted


def _empty(host: str, tenant: str, tag: str, now_ms: int) -> DomainDocument:
    """A domain with nothing of its own yet. The default one has version 0 until it is first changed."""
    return DomainDocument(
        host=host,
        tag=tag,
        tenant=tenant,
        not_found_url=None,
        not_found_page=None,
        expired_url=None,
        expired_page=None,
        apple_app_site_association=None,
        assetlinks=None,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
        version=0,
    )


def _remains(domain: DomainDocument, now_ms: int) -> DomainDocument:
    """What is left of a deleted domain."""
    empty = _empty(domain.host, domain.tenant, domain.tag, domain.created_at_ms)
    return dataclasses.replace(empty, updated_at_ms=now_ms, version=domain.version + 1, deleted=True)


def _changes(fields: NewDomain | DomainPatch) -> dict[str, Any]:
    """The document's fields that the body speaks of, by JSON Merge Patch."""
    changes = {name: getattr(fields, name) for name in fields.model_fields_set if name != "host"}
    for name in _PAGES:
        page = changes.get(name)
        if page is not None:
            changes[name] = PageText(page.title, page.message)
    return changes


def _domain_taken(host: str) -> ProblemError:
    detail = f"{host} is configured already"
    return ProblemError(DOMAIN_TAKEN, f"{detail}.", [Flaw(detail, pointer=pointer_to("host"))])
