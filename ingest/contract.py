"""What other folders may use of ingest. Nothing else of it is imported from outside."""

from ingest.apply import CodeTakenError, DomainTakenError, LinkEventApplier, edge_link
from ingest.catalogue import Catalogue
from ingest.click_changes import mark_dirty
from ingest.deduplication import verify_deduplication
from ingest.erasure import erase_link
from ingest.explain import Explainer, Explanation, Request
from ingest.link_events import (
    CodesMinted,
    DomainDeleted,
    DomainDocument,
    DomainSaved,
    LinkDeleted,
    LinkDocument,
    LinkEvent,
    LinkSaved,
    LinkWithdrawn,
    PageText,
)
from ingest.link_listing import CursorError, LinkListing, Sort, Status
from ingest.outbox import MAX_EVENT_BYTES, Outbox
from ingest.outbox_spool import OutboxUnavailableError
from ingest.rows import CLICK_COLUMNS
from ingest.runner import run
from ingest.tenants import (
    DEFAULT_TENANT,
    AddressPrivacy,
    IdentityProvider,
    RecipientPrivacy,
    Role,
    TenantDocument,
    read_tenants,
    save_tenant,
)
from ingest.warehouse import Row, Warehouse, WarehouseError, WarehouseUnavailableError, open_warehouse

__all__ = [
    "CLICK_COLUMNS",
    "DEFAULT_TENANT",
    "MAX_EVENT_BYTES",
    "AddressPrivacy",
    "Catalogue",
    "CodeTakenError",
    "CodesMinted",
    "CursorError",
    "DomainDeleted",
    "DomainDocument",
    "DomainSaved",
    "DomainTakenError",
    "Explainer",
    "Explanation",
    "IdentityProvider",
    "LinkDeleted",
    "LinkDocument",
    "LinkEvent",
    "LinkEventApplier",
    "LinkListing",
    "LinkSaved",
    "LinkWithdrawn",
    "Outbox",
    "OutboxUnavailableError",
    "PageText",
    "RecipientPrivacy",
    "Request",
    "Role",
    "Row",
    "Sort",
    "Status",
    "TenantDocument",
    "Warehouse",
    "WarehouseError",
    "WarehouseUnavailableError",
    "edge_link",
    "erase_link",
    "mark_dirty",
    "open_warehouse",
    "read_tenants",
    "run",
    "save_tenant",
    "verify_deduplication",
]
