"""Link events to publish, and what a killed process leaves of them."""

import dataclasses
from pathlib import Path

from api.events import new_event_id
from edge.contract import SpoolWriter, frame
from ingest.contract import LinkDocument, LinkSaved, LinkWithdrawn
from ingest.link_events import LinkEvent, encode_event

TENANT = "default"
DOMAIN = "s.example.com"
AT_MS = 1_700_000_000_000


def link_document(number: int, **fields: object) -> LinkDocument:
    return dataclasses.replace(
        LinkDocument(
            number=number,
            id=f"lnk_{number}",
            tenant=TENANT,
            name="",
            domain=DOMAIN,
            suffix="",
            code=f"code{number}",
            destination_url="https://www.example.com/",
            ios_url=None,
            android_url=None,
            expires_at_ms=None,
            expired_url=None,
            campaign=None,
            tags=("a",),
            external_id=None,
            forward_query=False,
            enabled=True,
            created_at_ms=AT_MS,
            updated_at_ms=AT_MS,
            version=1,
        ),
        **fields,  # type: ignore[arg-type] # a test's shorthand
    )


def saved(link: LinkDocument) -> LinkSaved:
    return LinkSaved(new_event_id(), AT_MS, TENANT, link)


def withdrawn(link: LinkDocument) -> LinkWithdrawn:
    return LinkWithdrawn(new_event_id(), AT_MS, TENANT, link)


def abandon(folder: Path, *events: LinkEvent, tail: bytes = b"") -> None:
    """What a process leaves that was killed between appending and applying."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = SpoolWriter(folder)
    for event in events:
        writer.append(frame(encode_event(event)))
    if tail:
        writer.append(tail)
    writer.close()
