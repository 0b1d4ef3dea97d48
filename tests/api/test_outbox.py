"""The outbox: an event that is on disk takes effect, whoever dies; one that can't wait takes none."""

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from api.events import new_event_id
from edge.contract import EdgeLink, LinkStore, frame, open_link_store
from ingest.contract import (
    Catalogue,
    CodesMinted,
    CodeTakenError,
    LinkDeleted,
    LinkDocument,
    LinkEventApplier,
    Outbox,
    Warehouse,
    WarehouseUnavailableError,
)
from ingest.link_events import LinkEvent, decode_event, encode_event
from ingest.outbox_spool import REST_S
from tests.api.conftest import RunningApi, StartApi
from tests.api.link_events import AT_MS, DOMAIN, TENANT, abandon, link_document, saved, withdrawn
from tests.fixtures.redis import RedisServer


def folder_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def code_holder(api: RunningApi, code: str) -> int | None:
    return await api.link_store.resolve("", code)


def test_every_event_survives_its_way_over_the_bus() -> None:
    link = link_document(1)
    for event in (
        saved(link),
        withdrawn(link),
        LinkDeleted("e1", 1, TENANT, 1, "lnk_1"),
        CodesMinted("e2", 1, TENANT, 1, DOMAIN, (("abcdefgh", "+44", ""),)),
    ):
        assert decode_event(encode_event(event)) == event
    for value in (b"{}", b"[]", b"nope", b'{"type":"link.gone"}', b'{"type":"link.deleted"}'):
        with pytest.raises(ValueError, match=r"event|character|type|index|literal"):
            decode_event(value)


async def test_what_a_dead_process_left_is_applied_before_the_api_answers(
    start_api: StartApi, tmp_path: Path
) -> None:
    folder = tmp_path / "spool" / "links"
    first, second = link_document(1), link_document(2)
    abandon(
        folder,
        saved(first),
        saved(dataclasses.replace(first, name="changed", version=2)),
        CodesMinted(new_event_id(), AT_MS, TENANT, 1, first.domain, (("recipAAA", "+44", ""),)),
        saved(second),
        LinkDeleted(new_event_id(), AT_MS, TENANT, 2, second.id),
        tail=frame(encode_event(saved(link_document(3))))[:-20],
    )
    api = await start_api()
    assert api.recovered == 5
    assert (await api.client.get("/v1/links/lnk_1")).json()["name"] == "changed"
    assert [await code_holder(api, code) for code in ("code1", "recipAAA", "code2", "code3")] == [
        1,
        1,
        2,
        None,
    ]
    assert (await api.client.get("/v1/links/lnk_2")).status_code == 404
    assert len((await api.client.get("/v1/links")).json()["data"]) == 1
    made = await api.make()
    assert await code_holder(api, str(made["code"])) == 3, "numbers go on behind the recovered ones"
    assert len(list(folder.iterdir())) == 1, "the dead one's spool is gone"


async def test_recovery_may_be_repeated_at_any_point(start_api: StartApi, tmp_path: Path) -> None:
    events = [
        saved(link_document(1)),
        CodesMinted(new_event_id(), AT_MS, TENANT, 1, DOMAIN, (("recipAAA", "+44", ""),)),
        saved(link_document(1, version=2, name="last")),
    ]
    folder = tmp_path / "spool" / "links"
    abandon(folder, *events[:2])
    api = await start_api()
    abandon(folder, *events)
    again = await start_api()
    assert (api.recovered, again.recovered) == (2, 3)
    link = (await again.client.get("/v1/links/lnk_1")).json()
    assert (link["name"], link["links_sent_30d"]) == ("last", 0)  # minted in 2023
    assert again.warehouse.query("SELECT count() FROM codes") == [(1,)]
    assert again.warehouse.query("SELECT sum(sent) FROM sent_15m") == [(1,)]


async def test_a_live_process_keeps_its_spool(start_api: StartApi) -> None:
    first = await start_api()
    await first.make()
    second = await start_api()
    assert second.recovered == 0
    await first.make()
    assert len((await second.client.get("/v1/links")).json()["data"]) == 2


@pytest.mark.parametrize(("rested_s", "again"), [(REST_S, 1), (REST_S - 1, 4)])
async def test_what_redis_may_have_lost_with_the_power_is_applied_again(
    rested_s: float, again: int, tmp_path: Path
) -> None:
    """The mark lags: after a death, what was applied within the last seconds is applied once more."""
    now_s = 100.0
    applied: list[str] = []

    async def apply(event: LinkEvent) -> None:
        applied.append(event.id)

    outbox = Outbox(tmp_path / "links", apply, clock_s=lambda: now_s)
    await outbox.recover()
    events = [saved(link_document(number)) for number in range(1, 5)]
    for event in events[:3]:
        await outbox.publish(event)
    now_s += rested_s
    await outbox.publish(events[3])
    (source,) = (tmp_path / "links").iterdir()
    copy = tmp_path / "after" / source.name  # what the dead process leaves: its files, without its lock
    copy.mkdir(parents=True)
    for path in source.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    outbox.close()
    applied.clear()
    assert await Outbox(tmp_path / "after", apply).recover() == again
    assert applied == [event.id for event in events[-again:]]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from ingest.outbox import Outbox
from tests.api.link_events import link_document, saved

async def die(event):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    outbox = Outbox(Path(sys.argv[1]), die)
    await outbox.recover()
    await outbox.publish(saved(link_document(7, code="Killed")))

asyncio.run(main())
"""


async def test_an_event_outlives_kill_9_between_append_and_apply(start_api: StartApi, tmp_path: Path) -> None:
    folder = tmp_path / "spool" / "links"
    root = Path(__file__).parents[2]
    died = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=root, env=os.environ, check=False)  # noqa: ASYNC221 - nothing else runs
    assert died.returncode == -signal.SIGKILL
    api = await start_api()
    assert api.recovered == 1
    assert await code_holder(api, "Killed") == 7


async def test_a_save_whose_code_is_taken_is_void(api: RunningApi, tmp_path: Path) -> None:
    taken = link_document(1, code="Mine")
    await api.outbox.publish(saved(taken))
    late = link_document(2, code="Mine")
    with pytest.raises(CodeTakenError):
        await api.outbox.publish(saved(late), undo=withdrawn(late))
    assert api.outbox.backlog == 0
    assert await api.link_store.get_document(late.id) is None
    assert api.catalogue.link(TENANT, late.id) is None
    assert await code_holder(api, "Mine") == 1


class FailingCatalogue(Catalogue):
    """The real catalogue behind a line that can be cut."""

    down = False

    def save_links(self, documents: Sequence[LinkDocument], *, token: str) -> None:
        if self.down:
            raise WarehouseUnavailableError("cut")
        super().save_links(documents, token=token)


@pytest.fixture
async def link_store(redis_server: RedisServer) -> AsyncIterator[LinkStore]:
    store = open_link_store(redis_server.url)
    await store.mark_whole(0)
    yield store
    await store.close()


async def test_what_can_not_be_applied_now_is_settled_in_order(
    link_store: LinkStore, warehouse: Warehouse, tmp_path: Path
) -> None:
    catalogue = FailingCatalogue(warehouse)
    outbox = Outbox(tmp_path, LinkEventApplier(link_store, catalogue).apply)
    await outbox.recover()
    link = link_document(1)
    catalogue.down = True
    with pytest.raises(WarehouseUnavailableError):
        await outbox.publish(saved(link))
    with pytest.raises(WarehouseUnavailableError):
        await outbox.publish(saved(dataclasses.replace(link, version=2, name="second")))
    made_in_vain = link_document(2, code="Vain")
    with pytest.raises(WarehouseUnavailableError):
        await outbox.publish(saved(made_in_vain), undo=withdrawn(made_in_vain))
    assert outbox.backlog == 4
    with pytest.raises(WarehouseUnavailableError):
        await outbox.settle()
    catalogue.down = False
    await outbox.settle()
    assert outbox.backlog == 0
    stored = catalogue.link(TENANT, link.id)
    assert stored is not None
    assert stored.name == "second"
    assert catalogue.link(TENANT, made_in_vain.id) is None
    assert await link_store.resolve("", "Vain") is None, "nobody was told of the code: it is free again"
    outbox.close()
    assert not folder_names(tmp_path), "a spool that is applied as a whole is not kept"


async def test_a_repeat_that_is_stored_with_others_hides_none_of_them(
    link_store: LinkStore, warehouse: Warehouse
) -> None:
    """Its insert was done and the answer lost; what is saved beside the repeat are other links."""
    catalogue = Catalogue(warehouse)
    applier = LinkEventApplier(link_store, catalogue)
    first, second, third = (saved(link_document(number)) for number in (1, 2, 3))
    await asyncio.gather(applier.apply(first), applier.apply(second))
    await asyncio.gather(applier.apply(first), applier.apply(third))
    for event in (first, second, third):
        assert catalogue.link(TENANT, event.link.id) == event.link


async def test_the_edge_link_is_the_link(api: RunningApi) -> None:
    link = link_document(
        5,
        ios_url="https://i.example",
        expires_at_ms=4_000_000_000_000,
        expired_url="https://x.example",
        suffix="a/b",
    )
    await api.outbox.publish(saved(link))
    assert EdgeLink.from_fields(5, await api.link_store.fields(5)) == EdgeLink(
        number=5,
        tenant=TENANT,
        code="code5",
        suffix="a/b",
        destination=b"https://www.example.com/",
        ios=b"https://i.example",
        expires_at_ms=4_000_000_000_000,
        expired_url=b"https://x.example",
    )
