"""Link commands on a real Kafka: each is applied once and answered, whatever comes twice or dies."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from api.link_stream.applying import Applying, link_id_of
from api.link_stream.commands import COMMAND
from api.link_stream.consumer import LinkStream
from api.services import Services
from ingest.kafka.address import LINK_RESULTS_TOPIC, LINKS_TOPIC, parse_address
from ingest.kafka.topics import ensure_topics
from tests.api.conftest import RunningApi
from tests.api.processes import Program
from tests.fixtures.redis import RedisServer
from tests.kafka.reading import read_topic

pytestmark = pytest.mark.needs_kafka
URL = "https://www.example.com/"
WITHIN_S = 180
CREATED, KEPT = 100, 90


class Campaigns:
    """A campaign system: writes commands, reads results."""

    def __init__(self, url: str, producer: AIOKafkaProducer) -> None:
        self.url = url
        self.prefix = parse_address(url).prefix
        self._topic = self.prefix + LINKS_TOPIC
        self._producer = producer

    def apart(self, name: str) -> "Campaigns":
        """One with topics of its own, told apart by this name in their prefix."""
        return Campaigns(self.url + name, self._producer)

    async def send(self, *commands: dict[str, Any] | bytes, key: bytes = b"one") -> None:
        values = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in commands]
        sent = [await self._producer.send(self._topic, value, key=key) for value in values]
        await asyncio.gather(*sent)

    async def results(self) -> dict[str, list[dict[str, Any]]]:
        """All results so far, by command; several the same are one."""
        found: dict[str, dict[bytes, dict[str, Any]]] = {}
        for values in (await read_topic(self.url, LINK_RESULTS_TOPIC)).values():
            for value in values:
                result = json.loads(value)
                found.setdefault(result["id"], {})[value] = result
        return {command: list(each.values()) for command, each in found.items()}

    async def wait_for(self, *ids: str) -> dict[str, list[dict[str, Any]]]:
        async with asyncio.timeout(WITHIN_S):
            while True:
                results = await self.results()
                if set(ids) <= results.keys():
                    return results
                await asyncio.sleep(0.1)

    async def dead_letters(self) -> list[dict[str, Any]]:
        found = await read_topic(self.url, f"{LINKS_TOPIC}.dlq")
        return [json.loads(value) for values in found.values() for value in values]


@pytest.fixture
async def campaigns(kafka_url: str) -> AsyncIterator[Campaigns]:
    address = parse_address(kafka_url)
    await ensure_topics(address, [LINKS_TOPIC, LINK_RESULTS_TOPIC, f"{LINKS_TOPIC}.dlq"])
    producer = AIOKafkaProducer(**address.client_options())
    await producer.start()
    yield Campaigns(kafka_url, producer)
    await producer.stop()


@asynccontextmanager
async def streaming(api: RunningApi, url: str) -> AsyncIterator[LinkStream]:
    stream = LinkStream(
        parse_address(url), Applying(services_of(api), api.shared_state), services_of(api).metrics
    )
    running = asyncio.create_task(stream.run())
    yield stream
    running.cancel()
    await asyncio.wait([running])


def services_of(api: RunningApi) -> Services:
    services: Services = api.app.state.services
    return services


def create(id_: str, **link: object) -> dict[str, Any]:
    link = {"destination_url": URL, **link}
    return {"type": "link.create", "id": id_, "tenant": "default", "link": link}


def command(id_: str, type_: str, **fields: object) -> dict[str, Any]:
    return {"type": type_, "id": id_, "tenant": "default", **fields}


async def test_links_are_made_changed_and_deleted_in_order(api: RunningApi, campaigns: Campaigns) -> None:
    recipients = [{"recipient": f"+4477009{at:05}"} for at in range(1_500)]
    await campaigns.send(
        create("c1", code="Stream1", external_id="crm-1", name="Spring"),
        create("c2", external_id="crm-2"),
        command("r1", "recipients.add", external_id="crm-1", recipients=recipients),
        command("r2", "recipients.add", external_id="crm-1", recipients=recipients[:10]),
        command("u1", "link.update", external_id="crm-1", link={"campaign": "spring"}),
        command("d1", "link.delete", external_id="crm-2"),
        create("c1", code="Stream1", external_id="crm-1", name="Spring"),
        command("d1", "link.delete", external_id="crm-2"),
        create("last"),
    )
    async with streaming(api, campaigns.url):
        results = await campaigns.wait_for("last")
    [made] = results["c1"]
    assert made["status"] == "done"
    assert (made["link"]["code"], made["link"]["name"], made["link"]["campaign"]) == (
        "Stream1",
        "Spring",
        None,
    )
    assert results["u1"][0]["link"]["campaign"] == "spring"
    assert [each["status"] for each in results["d1"]] == ["done"], "what comes again is answered as before"
    assert [(part["part"], part["parts"]) for part in results["r1"]] == [(1, 2), (2, 2)]
    codes = {each["recipient"]: each["code"] for part in results["r1"] for each in part["codes"]}
    assert len(codes) == 1_500
    assert {each["recipient"]: each["code"] for each in results["r2"][0]["codes"]}.items() <= codes.items()
    listed = (await api.client.get("/v1/links")).json()["data"]
    assert {link["code"] for link in listed} == {"Stream1", results["last"][0]["link"]["code"]}
    number = await api.link_store.resolve("", "Stream1")
    assert await api.link_store.resolve("", codes["+447700900000"]) == number


async def test_whatever_is_wrong_is_told(api: RunningApi, campaigns: Campaigns) -> None:
    await api.make(code="Taken1")
    await campaigns.send(
        create("taken", code="Taken1"),
        create("domain", domain="other.example.com"),
        create("url", destination_url="ftp://example.com"),
        create("field", colour="red"),
        command("nolink", "link.update", link_id="lnk_none", link={}),
        command("both", "link.delete"),
        create("tenant") | {"tenant": "nobody"},
        b"no json",
        b"[]",
        b'{"id": "x", "tenant": "default", "type": "link.unmake"}',
        b"\xff\xfe",
        create("last"),
    )
    async with streaming(api, campaigns.url):
        results = await campaigns.wait_for("last")
        letters = await campaigns.dead_letters()
    problems = {id_: result["problem"] for id_, [result] in results.items() if result["status"] == "refused"}
    assert problems.keys() == {"taken", "domain", "url", "field", "nolink", "both", "tenant"}
    assert (problems["taken"]["status"], problems["nolink"]["status"]) == (409, 404)
    assert problems["url"]["errors"][0]["pointer"] == "#/link/destination_url"
    assert problems["field"]["errors"][0]["pointer"] == "#/link/colour"
    assert [letter["reason"] for letter in letters] == ["not_a_command"] * 4
    assert {letter.get("value") or letter["value_hex"] for letter in letters} >= {"no json", "[]", "fffe"}
    assert {letter["origin"].rpartition(":")[2] for letter in letters} == {"7", "8", "9", "10"}


async def test_a_redis_that_is_down_delays_and_refuses_nothing(
    own_redis: RedisServer, start_api: Callable[[], Any], campaigns: Campaigns, settings: Any
) -> None:
    api = await start_api()
    broken = Applying(services_of(api), type(api.shared_state)(own_redis.url))
    own_redis.stop()
    stream = LinkStream(parse_address(campaigns.url), broken, services_of(api).metrics)
    running = asyncio.create_task(stream.run())
    await campaigns.send(create("c1"))
    async with asyncio.timeout(WITHIN_S):
        while stream.trouble is None or "Kafka" in stream.trouble:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.02)
    assert not await campaigns.results()
    own_redis.start()
    results = await campaigns.wait_for("c1")
    assert results["c1"][0]["status"] == "done"
    running.cancel()
    await asyncio.wait([running])
    await broken._shared_state.close()


async def test_killed_in_the_middle_each_command_has_one_effect(
    campaigns: Campaigns, own_redis: RedisServer, tmp_path: Path
) -> None:
    program = Program(tmp_path, own_redis.url, SMARTLINKS_EVENTS_URL=campaigns.url)
    creates = [create(f"c{at}", external_id=f"crm-{at}") for at in range(CREATED)]
    adds = [
        command(f"r{at}", "recipients.add", external_id=f"crm-{at % 4}", recipients=[{"recipient": f"+{at}"}])
        for at in range(CREATED)
    ]
    deletes = [command(f"d{at}", "link.delete", external_id=f"crm-{at}") for at in range(KEPT, CREATED)]
    with program.life() as process:
        await campaigns.send(*creates, *adds, *deletes)
        async with asyncio.timeout(WITHIN_S), program.connect() as client:
            while not (await client.get("/v1/links?limit=50")).json()["data"]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        process.kill()
    await campaigns.send(*creates[:20], *deletes[:5])  # as a producer does that was not sure
    await campaigns.send(create("last"))
    with program.life():
        results = await campaigns.wait_for("last")
        async with program.connect() as client:
            listed: list[dict[str, Any]] = []
            cursor = ""
            while cursor is not None:
                page = (await client.get(f"/v1/links?limit=200{cursor and '&cursor=' + cursor}")).json()
                listed += page["data"]
                cursor = page["next_cursor"]
    assert {result["status"] for each in results.values() for result in each} == {"done"}
    assert len(results) == 2 * CREATED + CREATED - KEPT + 1
    assert {link["id"] for link in listed} == {
        link_id_of("default", id_) for id_ in ["last", *(f"c{at}" for at in range(KEPT))]
    }
    assert len(listed) == KEPT + 1
    codes = {result["codes"][0]["code"] for at in range(CREATED) for result in results[f"r{at}"]}
    assert len(codes) == CREATED


def test_the_schema_of_commands_is_what_the_code_says() -> None:
    path = Path(__file__).parents[2] / "docs" / "link-commands.v1.schema.json"
    assert json.loads(path.read_text()) == COMMAND.json_schema(), "write it anew: python -m api.link_stream"
