"""An idempotent producer that is watched: replaced when it is dead for good, or seems to be.

aiokafka's idempotent producer never gives a batch up, and after a sequence error never sends one again. So
every batch has a deadline. A new producer has a new id, so Kafka takes what was written and not acknowledged
a second time: a repeat, which ingest leaves out.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from ingest.kafka.address import KafkaAddress
from ingest.kafka.errors import BusUnavailableError
from ingest.shipper.metrics import ShipperMetrics
from ingest.shipper.record_batch import RecordBatch

BATCH_BYTES: Final = 900_000  # a topic takes 1,048,588 by default
ACK_WITHIN_S: Final = 4.0
LONGEST_ACK_WITHIN_S: Final = 30.0
CLOSED_WITHIN_S: Final = 1.0
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)

_log = logging.getLogger(__name__)


class WatchedProducer:
    """Sends batches to one topic, `acks=all`. One batch a partition at a time, or their order is lost.

    While producers fail one after the other the deadline grows, so that a slow cluster is not flooded.
    """

    def __init__(self, address: KafkaAddress, topic: str, metrics: ShipperMetrics) -> None:
        self._address = address
        self._topic = topic
        self._metrics = metrics
        self._producer: AIOKafkaProducer | None = None
        self._ack_within_s = ACK_WITHIN_S
        self._replacing = asyncio.Lock()

    async def send(self, partition: int, values: Sequence[bytes]) -> int:
        """Send the first of these values as one batch; how many, once they are acknowledged.

        Raises `BusUnavailableError` where they were not, or not in time: they may have been written.
        """
        producer = await self._current()
        batch = RecordBatch(values, max_bytes=BATCH_BYTES, now_ms=time.time_ns() // 1_000_000)
        count = batch.record_count()
        try:
            async with asyncio.timeout(self._ack_within_s):
                acknowledged = await producer.send_batch(batch, self._topic, partition=partition)
                acknowledged.add_done_callback(_look_at)
                began_s = time.perf_counter()
                await acknowledged
        except _TOO_LARGE:
            return await self._send_in_parts(partition, values[:count])
        except (KafkaError, TimeoutError) as error:
            self._metrics.repeats.inc(count)
            await self._discard(producer, error)
            raise BusUnavailableError(f"a batch was not acknowledged: {error!r}") from error
        self._metrics.ack_seconds.observe(time.perf_counter() - began_s)
        self._metrics.sent.inc(count)
        self._metrics.sent_bytes.inc(batch.size())
        self._ack_within_s = ACK_WITHIN_S
        return count

    async def close(self) -> None:
        async with self._replacing:
            if self._producer is not None:
                await _abandon(self._producer)
                self._producer = None

    async def _current(self) -> AIOKafkaProducer:
        async with self._replacing:
            if self._producer is None:
                self._producer = await self._start()
            return self._producer

    async def _start(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._address.client_options(), enable_idempotence=True, acks="all", max_batch_size=BATCH_BYTES
        )
        try:
            async with asyncio.timeout(self._ack_within_s):
                await producer.start()
        except (KafkaError, TimeoutError) as error:
            await _abandon(producer)
            raise BusUnavailableError(f"Kafka at {self._address.servers}: {error!r}") from error
        return producer

    async def _discard(self, producer: AIOKafkaProducer, error: BaseException) -> None:
        """Give a producer up, if no other partition's failure has done so already."""
        async with self._replacing:
            if self._producer is not producer:
                return
            _log.warning("the producer is replaced: %r", error)
            self._producer = None
            self._metrics.rebuilds.inc()
            self._ack_within_s = min(2 * self._ack_within_s, LONGEST_ACK_WITHIN_S)
            await _abandon(producer)

    async def _send_in_parts(self, partition: int, values: Sequence[bytes]) -> int:
        """The topic takes only smaller batches. A single event that it does not take is dropped, loudly."""
        if len(values) == 1:
            _log.error("an event of %d bytes is dropped: the topic takes none so large", len(values[0]))
            self._metrics.oversized.inc()
            return 1
        return await self.send(partition, values[: len(values) // 2])


async def _abandon(producer: Any) -> None:
    """Close its connections without waiting for what it still wants to send: `stop` would, for ever."""
    sender = producer._sender.sender_task if producer._sender else None  # noqa: SLF001 - no public way
    if sender is not None:
        sender.cancel()
    await producer.client.close()
    if sender is not None:
        await asyncio.wait([sender], timeout=CLOSED_WITHIN_S)
    producer._closed = True  # noqa: SLF001 - or it complains when it is collected


def _look_at(future: asyncio.Future[Any]) -> None:
    """Nobody may be waiting any more, and asyncio would complain of an error that nobody saw."""
    if not future.cancelled():
        future.exception()
