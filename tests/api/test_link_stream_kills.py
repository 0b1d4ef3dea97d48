"""kill -9 of the consumer of link commands at each point: every command has one effect and one result."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.group import LeaveGroupRequest

from api.link_stream.consumer import GROUP
from edge.contract import Settings
from ingest.contract import Outbox, Warehouse
from ingest.kafka.address import LINK_RESULTS_TOPIC, LINKS_TOPIC, parse_address
from ingest.kafka.topics import ensure_topics
from tests.api.conftest import NewProgram, RunningApi
from tests.api.processes import WITHIN_S, Program
from tests.api.test_link_stream import Campaigns, campaigns, command, create, streaming
from tests.fixtures.redis import RedisServer

__all__ = ["campaigns"]

pytestmark = pytest.mark.needs_kafka
TOPICS = (LINKS_TOPIC, LINK_RESULTS_TOPIC, f"{LINKS_TOPIC}.dlq")
AT_ONCE = 4
EVENTS = "ingest.outbox_spool:OutboxSpool"
STORE = "edge.redis_store:RedisLinkStore"
CATALOGUE = "ingest.catalogue:Catalogue"
CONSUMER = "api.link_stream.consumer:LinkStream"
# In the order in which a command passes them; each with how often it is passed before the death.
POINTS = (
    ("before", f"{CONSUMER}._apply", 1),
    ("after", "api.conventions.shared_state:SharedState.claim", 2),
    ("after", f"{EVENTS}.append", 3),
    ("after", f"{STORE}.put_links", 2),
    ("before", f"{CATALOGUE}.save_links", 3),
    ("after", f"{CATALOGUE}.save_links", 4),
    ("after", f"{STORE}.delete_link", 2),
    ("after", f"{CATALOGUE}.delete_link", 2),
    ("after", f"{STORE}.begin_mint", 2),
    ("after", "ingest.apply:LinkEventApplier._claim", 2),
    ("after", f"{CATALOGUE}.add_codes", 2),
    ("after", f"{STORE}.end_mint", 2),
    ("before", "api.conventions.shared_state:SharedState.put", 3),
    ("after", "api.conventions.shared_state:SharedState.put", 3),
    ("after", f"{CONSUMER}._apply", 1),
    ("after", "ingest.kafka.group_offsets:GroupOffsets.commit", 1),
)
LINKS, UPDATES, RECIPIENTS = 2, 3, 20


def commands_of(lot: str) -> list[dict[str, Any]]:
    """Links that are made and changed, recipients, and a link that is made and deleted, one key for all."""
    names = [f"{lot}-{at}" for at in range(LINKS)]
    people = [{"recipient": f"+4477009{at:05}"} for at in range(RECIPIENTS)]
    return [
        *(create(f"c-{name}", external_id=name) for name in names),
        *(
            command(f"u-{name}-{at}", "link.update", external_id=name, link={"campaign": f"{at}"})
            for name in names
            for at in range(UPDATES)
        ),
        *(command(f"r-{name}", "recipients.add", external_id=name, recipients=people) for name in names),
        *(command(f"s-{name}", "recipients.add", external_id=name, recipients=people[:5]) for name in names),
        *(create(f"gone-{name}", external_id=f"gone-{name}") for name in names),
        *(command(f"d-{name}", "link.delete", external_id=f"gone-{name}") for name in names),
    ]


async def dismiss_members(urls: Sequence[str]) -> None:
    """Take the dead out of their groups, which would wait 10 s for each."""
    addresses = [parse_address(url) for url in urls]
    groups = [address.prefix + GROUP for address in addresses]
    admin = AIOKafkaAdminClient(**addresses[0].client_options())
    await admin.start()
    try:
        for group in groups:
            [described] = await admin.describe_consumer_groups([group])
            coordinator = await admin.find_coordinator(group)
            for member_id, *_ in described.groups[0][5]:
                await admin._client.send(coordinator, LeaveGroupRequest(group, member_id))
    finally:
        await admin.close()


@pytest.fixture
def warehouse(clickhouse: Warehouse) -> Warehouse:
    """Of the api in this process, too."""
    return clickhouse


@pytest.fixture
def settings(settings: Settings, own_redis: RedisServer) -> Settings:
    return settings.model_copy(update={"redis_url": own_redis.url})


async def test_killed_at_each_point_each_command_has_one_effect(
    campaigns: Campaigns, new_program: NewProgram, api: RunningApi
) -> None:
    """Each point has topics, and so a group, of its own. What dies there is finished here."""
    lots = [campaigns.apart(f"point{number}.") for number in range(len(POINTS))]
    topics = [lot.prefix.removeprefix(campaigns.prefix) + name for lot in lots for name in TOPICS]
    await ensure_topics(parse_address(f"{campaigns.url}&partitions=1"), topics)
    slots = asyncio.Semaphore(AT_ONCE)

    async def kill_at(number: int) -> Program:
        when, point, nth = POINTS[number]
        async with slots:
            await lots[number].send(*commands_of(f"lot{number}"))
            program = new_program(SMARTLINKS_EVENTS_URL=lots[number].url)
            process = program.fork(when, point, str(nth))
            await asyncio.to_thread(process.join, WITHIN_S)
            is_alive = process.is_alive()
            process.kill()
            assert (is_alive, process.exitcode) == (False, -signal.SIGKILL), f"{when} {point}"
            return program

    programs = await asyncio.gather(*(kill_at(number) for number in range(len(POINTS))))
    await dismiss_members([lot.url for lot in lots])
    results: dict[str, list[dict[str, Any]]] = {}
    async with AsyncExitStack() as stack:
        for program, lot in zip(programs, lots, strict=True):
            outbox = Outbox(program.data_dir / "spool" / "links", api.applier.apply)
            stack.callback(outbox.close)
            await outbox.recover()
            await stack.enter_async_context(streaming(api, lot.url))
        for number, lot in enumerate(lots):
            results |= await lot.wait_for(*(each["id"] for each in commands_of(f"lot{number}")))
    await assert_done_once(api.client, results)


async def assert_done_once(client: httpx.AsyncClient, results: dict[str, list[dict[str, Any]]]) -> None:
    refused = [part for parts in results.values() for part in parts if part["status"] != "done"]
    assert not refused, refused
    listed: dict[str, dict[str, Any]] = {}
    cursor: str | None = ""
    while cursor is not None:
        parameters = {"limit": "200", **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/v1/links", params=parameters)).raise_for_status().json()
        listed |= {link["external_id"]: link for link in page["data"]}
        cursor = page["next_cursor"]
    names = [f"lot{number}-{at}" for number in range(len(POINTS)) for at in range(LINKS)]
    assert sorted(listed) == sorted(names), "links are made once, and the deleted ones stay deleted"
    for name in names:
        link = listed[name]
        assert link["campaign"] == f"{UPDATES - 1}", "changes are in order"
        answer = await client.get(f"/v1/links/{link['id']}")
        assert answer.headers["ETag"].strip('W/"') == str(1 + UPDATES), "each change is there, once"
        codes = {each["recipient"]: each["code"] for each in results[f"r-{name}"][0]["codes"]}
        assert len(results[f"r-{name}"]) == 1, "every repeat gives the same codes"
        assert len(set(codes.values())) == RECIPIENTS
        assert {each["recipient"]: each["code"] for each in results[f"s-{name}"][0]["codes"]}.items() <= (
            codes.items()
        )
