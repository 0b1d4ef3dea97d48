"""The shipper against a real Kafka: all that was spooled arrives, a source in one partition and in order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from prometheus_client import CollectorRegistry

from edge.contract import Settings, SpoolWriter, frame
from ingest.kafka.address import CLICKS_TOPIC, parse_address
from ingest.shipper.metrics import ShipperMetrics
from ingest.shipper.partitions import Partitions, choose_partition
from ingest.shipper.runner import Shipper
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN, stopwatch
from tests.ingest.click_events import click_json
from tests.kafka.cluster import KafkaCluster
from tests.kafka.reading import read_topic

pytestmark = [RUN_AGAIN_IF_BROKEN, pytest.mark.needs_kafka]
DEADLINE_S = 180
REBUILT_WITHIN_S = 5


class Sea:
    """A spool to be shipped, and who ships it."""

    def __init__(self, data_dir: Path, url: str) -> None:
        self.settings = Settings(data_dir=data_dir, events_url=url)
        self.address = parse_address(url)
        self.url = url
        self.registry = CollectorRegistry()
        self.metrics = ShipperMetrics(self.registry)
        self.shipper: Shipper | None = None

    def open_writer(self) -> SpoolWriter:
        return SpoolWriter(self.settings.spool_dir)

    def sample(self, name: str) -> float:
        return self.registry.get_sample_value(f"smartlinks_shipper_{name}") or 0.0

    @asynccontextmanager
    async def shipping(self) -> AsyncIterator[Shipper]:
        self.registry = CollectorRegistry()
        self.shipper = Shipper(self.settings, self.address, ShipperMetrics(self.registry))
        stop = asyncio.Event()
        serving = asyncio.create_task(self.shipper.serve(stop))
        try:
            yield self.shipper
        finally:
            stop.set()
            await serving
            await self.shipper.close()

    async def until(self, probe: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not probe():  # noqa: ASYNC110 - counters have no event to wait for
                await asyncio.sleep(0.02)

    async def arrived(self) -> dict[int, list[int]]:
        """Of each source, the numbers in the topic, in order; a source is in one partition."""
        numbers: dict[int, list[int]] = {}
        homes: dict[int, int] = {}
        for partition, found in (await read_topic(self.url, CLICKS_TOPIC)).items():
            for value in found:
                event = orjson.loads(value)
                assert homes.setdefault(event["source"], partition) == partition
                numbers.setdefault(event["source"], []).append(event["seq"])
        return numbers


def spool(writer: SpoolWriter, count: int) -> None:
    seqs = [writer.take_seq() for _ in range(count)]
    writer.append(b"".join(frame(click_json(source=writer.source, seq=seq)) for seq in seqs))


async def test_all_that_was_spooled_arrives_in_order(kafka_url: str, tmp_path: Path) -> None:
    sea = Sea(tmp_path, kafka_url)
    with contextlib.ExitStack() as stack:
        writers = [sea.open_writer() for _ in range(3)]
        for writer in writers:
            stack.callback(writer.close)
            spool(writer, 3_000)
        async with sea.shipping() as shipper:
            await sea.until(lambda: sea.sample("sent_total") == 9_000 and not sea.sample("backlog_bytes"))
            assert shipper.trouble is None
            spool(writers[0], 10)
            await sea.until(lambda: sea.sample("sent_total") == 9_010)
        expected = {writer.source: list(range(1, 3_001)) for writer in writers}
        expected[writers[0].source] += range(3_001, 3_011)
        assert await sea.arrived() == expected
        assert sea.sample("rebuilds_total") == 0


async def test_a_killed_producer_is_replaced_and_nothing_is_lost(kafka_url: str, tmp_path: Path) -> None:
    sea = Sea(tmp_path, kafka_url)
    writer = sea.open_writer()
    spool(writer, 20_000)
    async with sea.shipping() as shipper:
        await sea.until(lambda: sea.sample("sent_total") > 0)
        producer = shipper._producer._producer
        assert producer is not None
        producer._sender.sender_task.cancel()  # as an error within it: from now on nothing is sent
        await sea.until(lambda: sea.sample("sent_total") >= 20_000)
        spool(writer, 100)
        await sea.until(lambda: sea.sample("backlog_bytes") == 0)
    writer.close()
    (numbers,) = (await sea.arrived()).values()
    assert first_appearances(numbers) == list(range(1, 20_101))


async def test_a_sequence_error_costs_the_producer_and_no_click(kafka_url: str, tmp_path: Path) -> None:
    sea = Sea(tmp_path, kafka_url)
    writer = sea.open_writer()
    async with sea.shipping() as shipper:
        spool(writer, 100)
        await sea.until(lambda: sea.sample("sent_total") == 100)
        producer = shipper._producer._producer
        assert producer is not None
        for at in list(producer._txn_manager._sequence_numbers):
            producer._txn_manager._sequence_numbers[at] += 1_000  # Kafka refuses what leaves a gap
        began = stopwatch.start()
        spool(writer, 100)
        await sea.until(lambda: sea.sample("sent_total") == 200)
        stopwatch.check(began, REBUILT_WITHIN_S)
        assert sea.sample("rebuilds_total") == 1
    writer.close()
    (numbers,) = (await sea.arrived()).values()
    assert first_appearances(numbers) == list(range(1, 201))


async def test_a_source_stays_in_its_partition_when_the_topic_grows(tmp_path: Path) -> None:
    (tmp_path / "77").mkdir()
    before = Partitions(tmp_path, 4).of("77")
    grown = next(count for count in range(5, 50) if choose_partition("77", count) != before)
    assert Partitions(tmp_path, grown).of("77") == before


@pytest.mark.drill
async def test_kafka_down_and_up_again(new_kafka: Callable[[int], KafkaCluster], tmp_path: Path) -> None:
    cluster = new_kafka(1)
    sea = Sea(tmp_path, cluster.url)
    writer = sea.open_writer()
    async with sea.shipping() as shipper:
        spool(writer, 1_000)
        await sea.until(lambda: sea.sample("sent_total") == 1_000)
        cluster.kill()
        spool(writer, 1_000)
        await sea.until(lambda: shipper.trouble is not None)
        assert sea.sample("backlog_bytes") > 0
        await asyncio.to_thread(cluster.start)
        await sea.until(lambda: sea.sample("sent_total") >= 2_000 and not sea.sample("backlog_bytes"))
        assert shipper.trouble is None
    writer.close()
    (numbers,) = (await sea.arrived()).values()
    assert first_appearances(numbers) == list(range(1, 2_001))


def first_appearances(numbers: list[int]) -> list[int]:
    """The numbers without those not above an earlier one: what ingest keeps."""
    kept: list[int] = []
    for number in numbers:
        if not kept or number > kept[-1]:
            kept.append(number)
    return kept
