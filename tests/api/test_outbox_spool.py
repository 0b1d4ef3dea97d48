"""The outbox's files: what is set aside, when they are rotated, and a full disk."""

import os
from pathlib import Path

import pytest

from ingest.contract import (
    LinkDeleted,
    Outbox,
    OutboxUnavailableError,
)
from ingest.link_events import LinkEvent, decode_event
from ingest.outbox_spool import REST_S
from tests.api.link_events import TENANT, abandon, link_document, saved
from tests.api.test_outbox import folder_names


async def test_an_event_that_can_never_be_applied_is_set_aside(tmp_path: Path) -> None:
    applied: list[str] = []

    async def apply(event: LinkEvent) -> None:
        if event.id == "bad":
            raise RuntimeError("never")
        applied.append(event.id)

    first, bad, last = saved(link_document(1)), LinkDeleted("bad", 1, TENANT, 1, "x"), saved(link_document(2))
    abandon(tmp_path, first, bad, last)
    outbox = Outbox(tmp_path, apply)
    assert await outbox.recover() == 3
    assert applied == [first.id, last.id]
    assert decode_event((tmp_path / "refused.ndjson").read_bytes().strip()) == bad
    outbox.close()


async def test_a_quiet_spool_is_rotated_once_it_is_large(tmp_path: Path) -> None:
    async def apply(event: LinkEvent) -> None: ...

    now_s = 0.0
    outbox = Outbox(tmp_path, apply, rotate_bytes=10_000, clock_s=lambda: now_s)
    await outbox.recover()
    sources: set[str] = set()
    for number in range(1, 101):
        await outbox.publish(saved(link_document(number)))
        sources |= folder_names(tmp_path)
    assert folder_names(tmp_path) == sources, "none is removed before Redis has surely synced"
    assert len(sources) > 2
    now_s += REST_S
    await outbox.publish(saved(link_document(101)))
    assert len(folder_names(tmp_path)) == 1
    outbox.close()
    assert not folder_names(tmp_path)


async def test_a_disk_that_takes_nothing_is_said_so(tmp_path: Path) -> None:
    applied: list[LinkEvent] = []

    async def apply(event: LinkEvent) -> None:
        applied.append(event)

    outbox = Outbox(tmp_path, apply)
    await outbox.recover()
    spool = outbox._own_spool()
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, spool._writer._fd)
    with pytest.raises(OutboxUnavailableError, match="No space left"):
        await outbox.publish(saved(link_document(1)))
    assert not applied
    os.close(full)
