"""The runner on Kafka: repeats are counted, dead letters told to their topic, too many of them refused."""

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from prometheus_client import CollectorRegistry

from ingest.contract import Warehouse
from ingest.dead_letters import DeadLetters
from ingest.enrich.steps import open_enrichment
from ingest.kafka.address import CLICKS_TOPIC, DEAD_SUFFIX, parse_address
from ingest.kafka.dead_letter_topic import DeadLetterTopic
from ingest.metrics import IngestMetrics
from ingest.runner import Runner
from ingest.sources import open_source
from ingest.sources.source import PartitionLostError
from tests.ingest.click_events import click_json
from tests.ingest.runner_bed import DEADLINE_S, until
from tests.kafka.feeder import KafkaFeeder
from tests.kafka.reading import read_topic

pytestmark = pytest.mark.needs_kafka


@pytest.fixture
def url(kafka_url: str) -> str:
    return f"{kafka_url}&partitions=1"


@pytest.fixture
def feeder(url: str) -> Iterator[KafkaFeeder]:
    feeder = KafkaFeeder(url)
    yield feeder
    feeder.close()


class KafkaIngest:
    def __init__(self, url: str, folder: Path, warehouse: Warehouse) -> None:
        enrichment = open_enrichment(data_dir=folder, geoip_path=None, warehouse=warehouse)
        self.registry = CollectorRegistry()
        self.source = open_source(url, folder)
        self.topic = DeadLetterTopic(parse_address(url))
        metrics = IngestMetrics(
            self.registry, lag=self.source.lag, lag_unit=self.source.unit, cache_uses=enrichment.cache_uses
        )
        self.runner = Runner(
            *(self.source, warehouse, enrichment, DeadLetters(warehouse), metrics),
            send_dead_letters=self.topic.send,
        )
        self.stop = asyncio.Event()

    def sample(self, name: str) -> float:
        return self.registry.get_sample_value(f"smartlinks_ingest_{name}") or 0.0

    async def close(self) -> None:
        await self.source.close()
        await self.topic.close()


def clicks(*seqs: int) -> list[bytes]:
    return [click_json(source=9, seq=seq) for seq in seqs]


async def test_repeats_gaps_and_dead_letters_are_told(
    url: str, feeder: KafkaFeeder, tmp_path: Path, warehouse: Warehouse
) -> None:
    ingest = KafkaIngest(url, tmp_path, warehouse)
    feeder.send({0: [*clicks(1, 2, 3, 2, 3, 4), b"{}", *clicks(9)]})
    serving = asyncio.create_task(ingest.runner.serve(ingest.stop))
    await until(lambda: ingest.sample("stored_total") == 5)
    assert (ingest.sample("repeated_total"), ingest.sample("missing_numbers_total")) == (2, 4)
    await until(lambda: ingest.sample("lag_events") == 0)
    ingest.stop.set()
    await serving
    await ingest.close()
    ((letter,),) = (await read_topic(url, CLICKS_TOPIC + DEAD_SUFFIX)).values()
    told = orjson.loads(letter)
    assert (told["reason"], told["value"]) == ("unknown_version", "{}")
    ((partition, position),) = warehouse.query("SELECT partition, position FROM dead_letters")
    assert told["origin"] == f"{partition}:{position}"
    passed_over = warehouse.query("SELECT reason, sum(records) FROM passed_over_records GROUP BY reason")
    assert passed_over == [("repeated", 2)]


async def test_floors_are_those_of_the_warehouse_after_a_restart_with_offsets_lost(
    url: str, feeder: KafkaFeeder, tmp_path: Path, warehouse: Warehouse
) -> None:
    feeder.send({0: clicks(1, 2, 3)})
    first = KafkaIngest(url, tmp_path, warehouse)
    serving = asyncio.create_task(first.runner.serve(first.stop))
    await until(lambda: first.sample("stored_total") == 3)
    first.stop.set()
    await serving
    await first.close()
    feeder.forget_offsets()
    feeder.send({0: clicks(4)})
    second = KafkaIngest(url, tmp_path, warehouse)
    serving = asyncio.create_task(second.runner.serve(second.stop))
    await until(lambda: second.sample("stored_total") == 1)
    assert second.sample("repeated_total") == 3
    second.stop.set()
    await serving
    await second.close()
    assert warehouse.query("SELECT seq FROM clicks ORDER BY seq") == [(1,), (2,), (3,), (4,)]


async def test_too_many_dead_letters_make_it_stand_still(
    url: str, feeder: KafkaFeeder, tmp_path: Path, warehouse: Warehouse
) -> None:
    ingest = KafkaIngest(url, tmp_path, warehouse)
    feeder.send({0: [*clicks(1), *[b"{}"] * 101]})
    serving = asyncio.create_task(ingest.runner.serve(ingest.stop))
    await until(lambda: "dead letters" in (ingest.runner.trouble or ""))
    ingest.stop.set()
    await serving
    await ingest.close()
    assert warehouse.query("SELECT count() FROM clicks") == [(0,)]
    assert warehouse.query("SELECT count() FROM dead_letters") == [(0,)]


async def test_what_was_read_before_the_group_was_rebalanced_is_lost(
    url: str, feeder: KafkaFeeder, tmp_path: Path
) -> None:
    feeder.send({0: clicks(1, 2)})
    source = open_source(url, tmp_path)
    [fetched] = await source.fetch(10, DEADLINE_S)
    batch = fetched.part(fetched.start, fetched.end)
    for call in (source.plan, source.commit):
        with pytest.raises(PartitionLostError):
            await call(dataclasses.replace(batch, generation=batch.generation - 1))
    await source.plan(batch)
    await source.commit(batch)
    await source.close()
