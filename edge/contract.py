"""What other folders may use of the edge. Nothing else of it is imported from outside."""

from edge.address import AddressRange, client_address, to_ranges
from edge.click_json import header_fields
from edge.clicks import SIGNAL_HEADERS, Outcome, Route
from edge.codes import (
    CUSTOM,
    IMPORTED,
    SUFFIX,
    generate,
    generate_many,
)
from edge.links import EdgeLink
from edge.linkstore import FREE, LinkEntry, LinkStore, LinkStoreUnavailableError, Mints
from edge.logs import configure_logging
from edge.ops import Ops
from edge.redis_connection import open_redis_client
from edge.redis_link_store import open_link_store
from edge.redis_mints import MINT_RENEWAL_S
from edge.routing import Decision, decide, platform_of
from edge.servers_url import split_servers_url
from edge.serving import serve_edge
from edge.settings import PREFIX, Settings, SettingsError, load
from edge.spool import (
    LOCK_NAME,
    SEGMENT_NAME,
    SOURCE_NAME,
    Cut,
    ShortWriteError,
    SpoolWriter,
    cut_records,
    new_source_id,
    segment_name,
)
from edge.spool_frame import MAX_LINE_BYTES, frame, unframe

__all__ = [
    "CUSTOM",
    "FREE",
    "IMPORTED",
    "LOCK_NAME",
    "MAX_LINE_BYTES",
    "MINT_RENEWAL_S",
    "PREFIX",
    "SEGMENT_NAME",
    "SIGNAL_HEADERS",
    "SOURCE_NAME",
    "SUFFIX",
    "AddressRange",
    "Cut",
    "Decision",
    "EdgeLink",
    "LinkEntry",
    "LinkStore",
    "LinkStoreUnavailableError",
    "Mints",
    "Ops",
    "Outcome",
    "Route",
    "Settings",
    "SettingsError",
    "ShortWriteError",
    "SpoolWriter",
    "client_address",
    "configure_logging",
    "cut_records",
    "decide",
    "frame",
    "generate",
    "generate_many",
    "header_fields",
    "load",
    "new_source_id",
    "open_link_store",
    "open_redis_client",
    "platform_of",
    "segment_name",
    "serve_edge",
    "split_servers_url",
    "to_ranges",
    "unframe",
]
