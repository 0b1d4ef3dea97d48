"""A consumer that stops while all brokers are gone."""

from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer

from ingest.kafka.address import parse_address
from ingest.kafka.stopping import stop_consumer
from tests.ingest.runner_bed import until
from tests.kafka.cluster import KafkaCluster
from tests.kafka.feeder import KafkaFeeder

pytestmark = pytest.mark.needs_kafka


async def test_a_fetch_that_waits_to_be_tried_again_does_not_cancel_who_stops(
    new_kafka: Callable[[int], KafkaCluster], caplog: pytest.LogCaptureFixture
) -> None:
    cluster = new_kafka(1)
    feeder = KafkaFeeder(f"{cluster.url}?partitions=1")
    feeder.close()
    options = parse_address(cluster.url).client_options()
    consumer = AIOKafkaConsumer(feeder.topic, **options, retry_backoff_ms=600_000)
    await consumer.start()
    assert not await consumer.getmany(timeout_ms=100)
    cluster.kill()
    await until(lambda: "Failed fetch messages" in caplog.text)
    await stop_consumer(consumer)
    assert all(not connection.connected() for connection in consumer._client._conns.values())
