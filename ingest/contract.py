"""What other folders may use of ingest. Nothing else of it is imported from outside."""

from ingest.apply import DomainTakenError, LinkEventApplier
from ingest.batches import month_bounds_ms
from ingest.catalogue import Catalogue
from ingest.click_changes import mark_dirty
from ingest.decode import Click, DeadReason, UndecodableError
from ingest.deduplication import verify_deduplication
from ingest.edge_link import edge_link, link_entry
from ingest.enrich.privacy import drop_salts
from ingest.enrich.rules import RULES_VERSION
from ingest.enrich.verdict import Judge
from ingest.enrich.visitor import VisitorKeyError
from ingest.erasure import LETTERS_LINK, LINK_COUNTS, ON_ITS_WAY, count_named, erase_link, erase_named
from ingest.explain import Explainer, Explanation, Request
from ingest.kafka.address import (
    DEAD_SUFFIX,
    LINK_RESULTS_TOPIC,
    LINKS_TOPIC,
    KafkaAddress,
)
from ingest.kafka.address import parse_address as parse_kafka_address
from ingest.kafka.errors import BusUnavailableError
from ingest.kafka.group_offsets import GenerationOverError, GroupOffsets
from ingest.kafka.stopping import stop_consumer
from ingest.kafka.topics import check_topics, ensure_topics
from ingest.link_events import (
    CodesMinted,
    CodesMintedAcross,
    DomainDeleted,
    DomainDocument,
    DomainSaved,
    LinkDeleted,
    LinkDocument,
    LinkEvent,
    LinkSaved,
    LinkWithdrawn,
    PageText,
    RecipientErased,
)
from ingest.link_listing import CursorError, LinkListing, Sort, Status
from ingest.link_saving import CodeTakenError, LinkChangedError
from ingest.mint_lease import renew_mint
from ingest.outbox import MAX_EVENT_BYTES, Outbox
from ingest.outbox_spool import OutboxUnavailableError
from ingest.program import run
from ingest.recipient_keys import (
    RecipientKeys,
    RecipientKeysError,
    recipient_keys_path,
    rotate_recipient_keys,
)
from ingest.removal import finish_removals, remove_clicks
from ingest.replay import ReplayEnrichment, decode_as
from ingest.rows import CLICK_COLUMNS
from ingest.spool_totals import read_last_seqs
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
    "DEAD_SUFFIX",
    "DEFAULT_TENANT",
    "LETTERS_LINK",
    "LINKS_TOPIC",
    "LINK_COUNTS",
    "LINK_RESULTS_TOPIC",
    "MAX_EVENT_BYTES",
    "ON_ITS_WAY",
    "RULES_VERSION",
    "AddressPrivacy",
    "BusUnavailableError",
    "Catalogue",
    "Click",
    "CodeTakenError",
    "CodesMinted",
    "CodesMintedAcross",
    "CursorError",
    "DeadReason",
    "DomainDeleted",
    "DomainDocument",
    "DomainSaved",
    "DomainTakenError",
    "Explainer",
    "Explanation",
    "GenerationOverError",
    "GroupOffsets",
    "IdentityProvider",
    "Judge",
    "KafkaAddress",
    "LinkChangedError",
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
    "RecipientErased",
    "RecipientKeys",
    "RecipientKeysError",
    "RecipientPrivacy",
    "ReplayEnrichment",
    "Request",
    "Role",
    "Row",
    "Sort",
    "Status",
    "TenantDocument",
    "UndecodableError",
    "VisitorKeyError",
    "Warehouse",
    "WarehouseError",
    "WarehouseUnavailableError",
    "check_topics",
    "count_named",
    "decode_as",
    "drop_salts",
    "edge_link",
    "ensure_topics",
    "erase_link",
    "erase_named",
    "finish_removals",
    "link_entry",
    "mark_dirty",
    "month_bounds_ms",
    "open_warehouse",
    "parse_kafka_address",
    "read_last_seqs",
    "read_tenants",
    "recipient_keys_path",
    "remove_clicks",
    "renew_mint",
    "rotate_recipient_keys",
    "run",
    "save_tenant",
    "stop_consumer",
    "verify_deduplication",
]
