"""kill -9 of the consumer of link commands at each point: every command has one effect and one result."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.group import LeaveGroupRequest

from aggregator.contract import migrate
from api.link_stream.consumer import GROUP
from ingest.contract import Warehouse
from ingest.kafka.address import parse_address
from tests.api.api_program import DATABASE
from tests.api.test_kill import WITHIN_S, Program
from tests.api.test_link_stream import Campaigns, campaigns, command, create
from tests.fixtures.redis import RedisServer

__all__ = ["campaigns"]

pytestmark = pytest.mark.needs_kafka
RUN = ("-m", "tests.api.api_program")
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
LINKS, UPDATES, RECIPIENTS = 4, 3, 20


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


async def dismiss_members(url: str) -> None:
    """Take the dead out of the group, which would wait 10 s for each."""
    address = parse_address(url)
    group = address.prefix + GROUP
    admin = AIOKafkaAdminClient(**address.client_options())
    await admin.start()
    try:
        [described] = await admin.describe_consumer_groups([group])
        members = described.groups[0][5]
        coordinator = await admin.find_coordinator(group)
        for member_id, *_ in members:
            await admin._client.send(coordinator, LeaveGroupRequest(group, member_id))
    finally:
        await admin.close()


@pytest.fixture
def warehouse(open_clickhouse: Callable[[], Warehouse]) -> Iterator[Warehouse]:
    warehouse = open_clickhouse()
    migrate(warehouse)
    yield warehouse
    warehouse.close()


async def test_killed_at_each_point_each_command_has_one_effect(
    campaigns: Campaigns,
    own_redis: RedisServer,
    tmp_path: Path,
    clickhouse_url: str,
    warehouse: Warehouse,
) -> None:
    ((database,),) = warehouse.query("SELECT currentDatabase()")
    program = Program(
        tmp_path,
        own_redis.url,
        SMARTLINKS_EVENTS_URL=campaigns.url,
        SMARTLINKS_CLICKHOUSE_URL=clickhouse_url,
        **{DATABASE: str(database)},
    )
    sent: list[str] = []
    for number, (when, point, nth) in enumerate(POINTS):
        lot = commands_of(f"lot{number}")
        sent += [each["id"] for each in lot]
        await campaigns.send(*lot)
        with program.start(*RUN, when, point, str(nth)) as process:
            try:
                await asyncio.to_thread(process.wait, WITHIN_S)
            finally:
                process.kill()
        assert process.returncode == -signal.SIGKILL, f"{when} {point}"
        await dismiss_members(campaigns.url)
    with program.life(*RUN):
        results = await campaigns.wait_for(*sent)
        async with program.connect() as client:
            await assert_done_once(client, results)


async def assert_done_once(client: httpx.AsyncClient, results: dict[str, list[dict[str, Any]]]) -> None:
    refused = [part for parts in results.values() for part in parts if part["status"] != "done"]
    assert not refused
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
