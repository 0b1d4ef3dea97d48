"""Two api programs on one Redis and one warehouse: of what both do at once, one counts and both answer it."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from api.link_stream.applying import Applying
from api.link_stream.commands import read_command
from api.links import Links
from api.models import LinkPatch, UpsertedLink
from edge.contract import Settings, open_link_store
from ingest.contract import Warehouse
from tests.api.conftest import RunningApi, StartApi
from tests.api.test_link_stream import services_of

URL = "https://www.example.com/"
AT_ONCE = 40


@pytest.fixture
async def two(
    start_api: StartApi, settings: Settings, warehouse: Warehouse
) -> AsyncIterator[list[RunningApi]]:
    """The second has a data folder, and so an outbox, of its own."""
    first = await start_api()
    assert settings.redis_url is not None
    other = settings.model_copy(update={"data_dir": settings.data_dir / "other"})
    second = RunningApi(other, open_link_store(settings.redis_url), warehouse)
    await second.start()
    yield [first, second]
    await second.close()


def links_of(api: RunningApi) -> Links:
    return services_of(api).links


async def test_an_external_id_upserted_by_both_is_one_link(two: list[RunningApi]) -> None:
    names = [f"crm-{at}" for at in range(AT_ONCE)]
    done = await asyncio.gather(
        *(
            links_of(api).upsert("default", UpsertedLink(destination_url=URL, external_id=name))
            for name in names
            for api in two
        )
    )
    by_name: dict[str | None, set[int]] = {}
    for link, _ in done:
        by_name.setdefault(link.external_id, set()).add(link.number)
    assert {name: len(numbers) for name, numbers in by_name.items()} == dict.fromkeys(names, 1)
    assert sum(was_made for _, was_made in done) == AT_ONCE
    assert len((await two[0].client.get("/v1/links?limit=200")).json()["data"]) == AT_ONCE


async def test_a_url_shortened_by_both_is_one_link(two: list[RunningApi]) -> None:
    body = {
        "from": "Example",
        "to": [f"+4477009{at:05}" for at in range(20)],
        "content": " ".join(f"https://www.example.com/{at}" for at in range(10)),
        "shortenUrls": True,
    }
    answers = await asyncio.gather(
        *(api.client.post("/v1/sms/messages", json=body) for api in two for _ in "ab")
    )
    assert {answer.status_code for answer in answers} == {202}
    ids = {
        link["linkId"]
        for answer in answers
        for message in answer.json()["messages"]
        for link in message["links"]
    }
    assert len(ids) == 10
    listed = (await two[1].client.get("/v1/links?limit=200")).json()["data"]
    assert {link["id"] for link in listed} == ids
    assert len(listed) == 10


async def test_changes_by_both_follow_each_other(two: list[RunningApi]) -> None:
    link_id = str((await two[0].make())["id"])
    patches = [LinkPatch(name=f"{at}") if at % 2 else LinkPatch(campaign=f"{at}") for at in range(AT_ONCE)]
    changed = await asyncio.gather(
        *(links_of(two[at % 2]).change("default", link_id, patch) for at, patch in enumerate(patches))
    )
    assert sorted(link.version for link in changed) == list(range(2, AT_ONCE + 2)), "none is lost"
    stored = await links_of(two[0]).read("default", link_id)
    assert two[0].catalogue.link("default", link_id) == stored


async def test_an_update_that_was_done_but_not_noted_is_not_done_again(api: RunningApi) -> None:
    link_id = str((await api.make())["id"])
    update = read_command(
        orjson.dumps(
            {
                "type": "link.update",
                "id": "u1",
                "tenant": "default",
                "link_id": link_id,
                "link": {"name": "u1"},
            }
        )
    )
    applying = Applying(services_of(api), api.shared_state)
    await applying.apply([update])
    await api.shared_state.put("link-command:default:u1", b"begun", 60)  # as a kill before the note leaves it
    await links_of(api).change("default", link_id, LinkPatch(name="later"))
    [[result]] = await applying.apply([update])
    assert orjson.loads(result)["status"] == "done"
    stored = await links_of(api).read("default", link_id)
    assert (stored.name, stored.version) == ("later", 3)


async def test_commands_that_two_consumers_apply_have_one_effect(two: list[RunningApi]) -> None:
    link_id = str((await two[0].make())["id"])
    heads = [{"id": f"c{at}", "tenant": "default"} for at in range(AT_ONCE)]
    creates = [head | {"type": "link.create", "link": {"destination_url": URL}} for head in heads]
    updates = [
        {
            "type": "link.update",
            "id": f"u{at}",
            "tenant": "default",
            "link_id": link_id,
            "link": {"name": f"{at}"},
        }
        for at in range(AT_ONCE)
    ]
    commands = [read_command(orjson.dumps(each)) for each in (*creates, *updates)]
    both = [Applying(services_of(api), api.shared_state) for api in two]
    first, second = await asyncio.gather(*(applying.apply(commands) for applying in both))
    made = [
        {orjson.loads(results[0])["link"]["id"] for results in pair}
        for pair in zip(first[:AT_ONCE], second[:AT_ONCE], strict=True)
    ]
    assert {len(ids) for ids in made} == {1}
    assert len((await two[0].client.get("/v1/links?limit=200")).json()["data"]) == AT_ONCE + 1
    assert (await links_of(two[0]).read("default", link_id)).version == AT_ONCE + 1


async def test_a_link_that_one_deletes_is_not_brought_back_by_the_other(two: list[RunningApi]) -> None:
    link_id = str((await two[0].make())["id"])
    before = await links_of(two[1]).read("default", link_id)
    await links_of(two[0]).delete("default", link_id)
    await two[1].applier._link_store.put_link(link_id, before.number, None, b"{}", version=before.version + 1)
    assert await two[0].link_store.get_document(link_id) is None
