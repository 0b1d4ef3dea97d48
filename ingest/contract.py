"""What other folders may use of ingest. Nothing else of it is imported from outside."""

from ingest.link_events import CodesMinted, LinkDeleted, LinkDocument, LinkEvent, LinkSaved
from ingest.rows import CLICK_COLUMNS
from ingest.warehouse import (
    Row,
    Warehouse,
    WarehouseError,
    WarehouseUnavailableError,
    open_warehouse,
)

__all__ = [
    "CLICK_COLUMNS",
    "CodesMinted",
    "LinkDeleted",
    "LinkDocument",
    "LinkEvent",
    "LinkSaved",
    "Row",
    "Warehouse",
    "WarehouseError",
    "WarehouseUnavailableError",
    "open_warehouse",
]
