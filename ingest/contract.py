"""What other folders may use of ingest. Nothing else of it is imported from outside."""

from ingest.apply import CodeTakenError, DomainTakenError, LinkEventApplier, edge_link
from ingest.catalogue import Catalogue
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
from ingest.warehouse import Row, Warehouse, WarehouseError, WarehouseUnavailableError, open_warehouse

__all__ = [
    "CLICK_COLUMNS",
    "MAX_EVENT_BYTES",
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
    "Request",
    "Row",
    "Sort",
    "Status",
    "Warehouse",
    "WarehouseError",
    "WarehouseUnavailableError",
    "edge_link",
    "erase_link",
    "open_warehouse",
    "run",
    "verify_deduplication",
]
