"""Puts values on the topic of clicks, each in the partition that the test says."""

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from ingest.kafka.address import CLICKS_TOPIC, parse_address
from ingest.kafka.topics import ensure_topics
from ingest.sources.kafka import GROUP

DEADLINE_S = 180
Answer = TypeVar("Answer")


class KafkaFeeder:
    """A producer with an event loop of its own, so that any test may use it. Makes the topic."""

    def __init__(self, url: str) -> None:
        self._address = parse_address(url)
        self.topic = self._address.prefix + CLICKS_TOPIC
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._producer: AIOKafkaProducer = self._run(self._start())

    def send(self, values: Mapping[int, Sequence[bytes]]) -> None:
        """Send values by partition; they are there when this returns."""
        self._run(self._send(values))

    def forget_offsets(self) -> None:
        """Set the group's offsets back to the start and forget what stands beside them, as an admin may."""
        self._run(self._forget_offsets())

    def close(self) -> None:
        self._run(self._producer.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE_S)

    async def _start(self) -> AIOKafkaProducer:
        await ensure_topics(self._address, [CLICKS_TOPIC])
        producer = AIOKafkaProducer(**self._address.client_options(), enable_idempotence=True)
        await producer.start()
        return producer

    async def _forget_offsets(self) -> None:
        group = self._address.prefix + GROUP
        consumer = AIOKafkaConsumer(
            **self._address.client_options(), group_id=group, enable_auto_commit=False
        )
        await consumer.start()
        consumer.assign([TopicPartition(self.topic, 0)])
        await consumer.commit({TopicPartition(self.topic, 0): 0})
        await consumer.stop()

    async def _send(self, values: Mapping[int, Sequence[bytes]]) -> None:
        sent = [
            await self._producer.send(self.topic, value, partition=partition)
            for partition, some in values.items()
            for value in some
        ]
        await asyncio.gather(*sent)
