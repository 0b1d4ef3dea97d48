"""The catalogue: domains, links, codes and whom they were minted for, as tables of the warehouse.

It is a view of the link events. Each write has the event's id as its token, so that an event may be applied
any number of times; of a link's or domain's versions the highest counts, in whatever order they arrive.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal

from ingest.erasure import erase_link, erase_named, forget_recipient, name_codes_of
from ingest.link_events import DomainDocument, LinkDocument, RecipientErased
from ingest.link_listing import ACTIVE, LinkListing
from ingest.minted_codes import NO_LINK, add_codes, codes_of_others, find_codes, use_up_token
from ingest.warehouse import Warehouse

# Beyond any version of a link: a save that arrives after the deletion never brings it back.
TOMBSTONE_VERSION: Final = 2**64 - 1

# In the order of LinkDocument's fields.
DOCUMENT_COLUMNS: Final = """
    number, id, tenant, name, domain, suffix, code, destination_url, ios_url, android_url,
    toUnixTimestamp64Milli(links.expires_at) AS expires_at_ms, expired_url, campaign, tags, external_id,
    forward_query, enabled, toUnixTimestamp64Milli(links.created_at) AS created_at_ms,
    toUnixTimestamp64Milli(links.updated_at) AS updated_at_ms, version, imported_clicks
"""

_DOCUMENT_FIELDS: Final = tuple(name for name in LinkDocument.__slots__ if name != "commands")


class Catalogue:
    """Every method blocks: call it in a thread. Raises what the warehouse raises."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def save_link(self, doc: LinkDocument, *, token: str) -> None:
        """Store this version of the link, unless a higher one or its deletion is stored."""
        self.save_links([doc], token=token)

    def save_links(self, documents: Sequence[LinkDocument], *, token: str) -> None:
        """The same for several at once. One that is stored a second time under another token does no harm."""
        columns: dict[str, list[Any]] = {}
        for doc in documents:
            for name, (value,) in _columns_of(doc).items():
                columns.setdefault(name, []).append(value)
        self._warehouse.insert("links", columns, token=token)

    def delete_link(self, tenant: str, number: int, at_ms: int, *, token: str) -> None:
        """Leave a tombstone: its recipients, their codes and all clicks are erased now.

        The tombstone keeps the link's number, domain and own code, so that neither is ever given again. The
        aggregator erases once more what was on its way.
        """
        domain, code = self._claim_of(tenant, number)
        nothing = LinkDocument(
            number=number,
            id="",
            tenant=tenant,
            name="",
            domain=domain,
            suffix="",
            code=code,
            destination_url="",
            ios_url=None,
            android_url=None,
            expires_at_ms=None,
            expired_url=None,
            campaign=None,
            tags=(),
            external_id=None,
            forward_query=False,
            enabled=False,
            created_at_ms=at_ms,
            updated_at_ms=at_ms,
            version=TOMBSTONE_VERSION,
        )
        self._warehouse.insert(
            "erasures", {"tenant": [tenant], "link": [number], "asked_at": [at_ms]}, token=token
        )
        self._warehouse.insert("links", {**_columns_of(nothing), "deleted": [True]}, token=token)
        erase_link(self._warehouse, tenant, number)

    def add_codes(
        self,
        tenant: str,
        number: int,
        codes: Sequence[tuple[str, str, str]],
        minted_at_ms: int,
        *,
        token: str,
    ) -> None:
        """Store codes of a link, each with its recipient and reference."""
        add_codes(self._warehouse, tenant, [number] * len(codes), codes, minted_at_ms, token=token)

    def add_codes_across(
        self,
        tenant: str,
        codes: Sequence[tuple[int, str, str, str]],
        minted_at_ms: int,
        *,
        token: str,
    ) -> None:
        """The same for codes of several links, each with its link's number before it."""
        numbers = [number for number, *_ in codes]
        minted = [minted for _, *minted in codes]
        add_codes(self._warehouse, tenant, numbers, minted, minted_at_ms, token=token)

    def name_codes_of(self, event: RecipientErased) -> list[tuple[str, str]]:
        """Note which codes are to go with this person; `(domain, code)` of each."""
        return name_codes_of(
            self._warehouse, event.tenant, event.recipients, erasure=event.id, asked_at_ms=event.at
        )

    def erase_recipient(self, event: RecipientErased) -> None:
        """Delete the person's messages and codes, and the clicks on those codes that were named.

        The aggregator erases once more what was on its way.
        """
        erase_named(self._warehouse, event.tenant, event.id)
        forget_recipient(
            self._warehouse, event.tenant, event.recipients, erasure=event.id, asked_at_ms=event.at
        )

    def save_domain(self, domain: DomainDocument, *, token: str) -> None:
        """Store this version of the domain, deleted or not, unless a higher one is stored."""
        self._warehouse.insert(
            "domains",
            {
                "host": [domain.host],
                "tenant": [domain.tenant],
                "document": [domain.to_json().decode()],
                "version": [domain.version],
            },
            token=token,
        )

    def domains(self) -> list[DomainDocument]:
        """Every domain that was ever saved, deleted ones included."""
        rows = self._warehouse.query("SELECT document FROM domains FINAL ORDER BY host")
        return [DomainDocument.from_json(document.encode()) for (document,) in rows]

    def links_on(self, host: str) -> int:
        """How many links stand on the domain, disabled and expired ones included."""
        ((count,),) = self._warehouse.query(
            "SELECT count() FROM links FINAL WHERE domain = {host:String} AND NOT deleted", {"host": host}
        )
        return int(count)

    def link(self, tenant: str, link_id: str) -> LinkDocument | None:
        # The inner query may use the index on id, the outer must not: it would miss the tombstone.
        rows = self._warehouse.query_dicts(
            f"SELECT {DOCUMENT_COLUMNS} FROM links FINAL WHERE tenant = {{tenant:String}} AND NOT deleted"  # noqa: S608 - our own names
            " AND number IN (SELECT number FROM links"
            " WHERE tenant = {tenant:String} AND id = {id:String} AND id != '')",
            {"tenant": tenant, "id": link_id},
        )
        return LinkDocument.from_json(rows[0]) if rows else None

    def links_named(self, tenant: str, external_ids: Sequence[str]) -> dict[str, LinkDocument]:
        """The tenant's links with these external ids; the oldest where several have one."""
        rows = self._warehouse.query_dicts(
            f"SELECT {DOCUMENT_COLUMNS} FROM links FINAL WHERE tenant = {{tenant:String}} AND NOT deleted"  # noqa: S608 - our own names
            " AND external_id IN {external_ids:Array(String)} ORDER BY number DESC",
            {"tenant": tenant, "external_ids": list(external_ids)},
        )
        found = map(LinkDocument.from_json, rows)
        return {link.external_id: link for link in found if link.external_id is not None}

    def label_counts(
        self, tenant: str, label: Literal["campaign", "tag"], q: str, after: str, limit: int, now_ms: int
    ) -> list[tuple[str, int, int]]:
        """Campaigns or tags behind `after`, by name: each with its links, and how many of them are active.

        `q` is looked for in the name, in any case.
        """
        name = {"campaign": "campaign", "tag": "arrayJoin(tags)"}[label]
        rows = self._warehouse.query(
            f"SELECT assumeNotNull({name}) AS label, count(), countIf({ACTIVE}) FROM links FINAL"  # noqa: S608 - our own names
            " WHERE tenant = {tenant:String} AND NOT deleted GROUP BY label"
            " HAVING label > {after:String} AND positionCaseInsensitiveUTF8(label, {q:String}) > 0"
            " ORDER BY label LIMIT {limit:UInt32}",
            {"tenant": tenant, "after": after, "q": q, "limit": limit, "now_ms": now_ms},
        )
        return [(str(label), int(links), int(active)) for label, links, active in rows]

    def links(self, tenant: str, listing: LinkListing) -> tuple[list[LinkDocument], str | None]:
        """One page of the tenant's links, and the cursor of the next. Raises `CursorError`."""
        condition, parameters = listing.condition()
        rows = self._warehouse.query_dicts(
            f"SELECT {DOCUMENT_COLUMNS}, {listing.sort_key} AS sort_key FROM links FINAL"  # noqa: S608 - our own names
            f" WHERE tenant = {{tenant:String}} AND NOT deleted AND {condition}"
            f" ORDER BY sort_key {listing.direction}, number {listing.direction} LIMIT {{limit:UInt32}}",
            {**parameters, "tenant": tenant, "limit": listing.limit + 1},
        )
        keys = [row.pop("sort_key") for row in rows]
        page = [LinkDocument.from_json(row) for row in rows[: listing.limit]]
        if len(rows) <= listing.limit:
            return page, None
        return page, listing.cursor_after(keys[listing.limit - 1], page[-1].number)

    def codes_for(
        self, tenant: str, number: int, pairs: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], str]:
        """The code of each `(recipient, reference)` that has one; the oldest if it has several."""
        return find_codes(self._warehouse, tenant, number, pairs)

    def codes_of_others(self, tenant: str, claimed: Sequence[tuple[int, str, str, str]]) -> set[str]:
        """Codes of those (link, code, recipient, reference) of another recipient, or the link's."""
        return codes_of_others(self._warehouse, tenant, claimed)

    def void_codes(self, now_ms: int, *, token: str) -> None:
        """From now on `add_codes` adds nothing under this token, whoever calls it. What it did stays."""
        use_up_token(self._warehouse, now_ms, token=token)

    def highest_number(self) -> int:
        """The highest link number ever stored, deleted links included; 0 if there is none."""
        ((number,),) = self._warehouse.query("SELECT max(number) FROM links")
        return int(number)

    def count_links_and_codes(self) -> int:
        """How much a rebuild has to restore, about: versions that are still to be merged count, too."""
        ((links,),) = self._warehouse.query("SELECT count() FROM links")
        ((codes,),) = self._warehouse.query("SELECT count() FROM codes")
        return int(links) + int(codes)

    def all_links(self) -> Iterator[LinkDocument]:
        """Every tenant's links in constant memory. Read to the end or close the generator."""
        sql = f"SELECT {DOCUMENT_COLUMNS} FROM links FINAL WHERE NOT deleted"  # noqa: S608 - our own names
        for block in self._warehouse.stream(sql):
            for row in block:
                yield LinkDocument.from_json(dict(zip(_DOCUMENT_FIELDS, row, strict=True)))

    def retired_codes(self) -> Iterator[tuple[int, str, str]]:
        """Number, domain and own code of every deleted link. Read to the end or close the generator."""
        for block in self._warehouse.stream(
            "SELECT number, domain, code FROM links FINAL WHERE deleted AND code != ''"
        ):
            yield from block

    def all_codes(self) -> Iterator[tuple[int, list[str]]]:
        """Every code minted for a recipient, in lists of one link's number; a number may come again."""
        sql = f"SELECT link, code FROM codes WHERE link != {NO_LINK}"  # noqa: S608 - our own constant
        for block in self._warehouse.stream(sql):
            for number, rows in groupby(block, itemgetter(0)):
                yield int(number), [code for _, code in rows]

    def _claim_of(self, tenant: str, number: int) -> tuple[str, str]:
        """Domain and own code of a link, deleted or not; empty where the catalogue has none of it."""
        rows = self._warehouse.query(
            "SELECT domain, code FROM links FINAL"
            " WHERE tenant = {tenant:String} AND number = {number:UInt64}",
            {"tenant": tenant, "number": number},
        )
        return rows[0] if rows else ("", "")


def _columns_of(doc: LinkDocument) -> Mapping[str, Sequence[Any]]:
    return {
        "tenant": [doc.tenant],
        "number": [doc.number],
        "id": [doc.id],
        "name": [doc.name],
        "domain": [doc.domain],
        "suffix": [doc.suffix],
        "code": [doc.code],
        "destination_url": [doc.destination_url],
        "ios_url": [doc.ios_url],
        "android_url": [doc.android_url],
        "expires_at": [doc.expires_at_ms],
        "expired_url": [doc.expired_url],
        "campaign": [doc.campaign],
        "tags": [list(doc.tags)],
        "external_id": [doc.external_id],
        "forward_query": [doc.forward_query],
        "enabled": [doc.enabled],
        "created_at": [doc.created_at_ms],
        "updated_at": [doc.updated_at_ms],
        "version": [doc.version],
        "imported_clicks": [doc.imported_clicks],
        "deleted": [False],
    }
