"""A link as Redis has it, for the edge and for whoever reads its document back."""

from edge.contract import EdgeLink, LinkEntry
from ingest.link_events import LinkDocument


def edge_link(link: LinkDocument) -> EdgeLink | None:
    """What the edge needs of the link; None where it is disabled, hence not to be found."""
    if not link.enabled:
        return None
    return EdgeLink(
        number=link.number,
        tenant=link.tenant,
        code=link.code,
        suffix=link.suffix,
        destination=link.destination_url.encode("ascii"),
        ios=_ascii(link.ios_url),
        android=_ascii(link.android_url),
        expires_at_ms=link.expires_at_ms,
        expired_url=_ascii(link.expired_url),
        forward_query=link.forward_query,
    )


def link_entry(link: LinkDocument) -> LinkEntry:
    return LinkEntry(link.id, link.number, link.version, edge_link(link), link.to_json())


def _ascii(url: str | None) -> bytes | None:
    return None if url is None else url.encode("ascii")
