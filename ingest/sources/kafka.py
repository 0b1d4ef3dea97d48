"""Kafka as a source: a consumer group over the topic of clicks.

Invariants, whoever dies, whenever, and however often partitions change hands:

1. Positions are committed with the generation in which the partition was given to us, so the broker refuses
   those of a reader that lost it (`ingest/kafka/group_offsets.py`).
2. A range is written into the commit's metadata (`kafka_position.py`) before it is inserted. Whoever owns the
   partition next reads exactly that range first and inserts it under the same token, so it is there once.
3. What in a range repeats earlier records is decided when the range is planned and is written into the plan.
   A planned range is never judged again by what is stored: its rows are the same for ever, as its token asks.
4. One source goes to one partition, and the shipper sends a record only after all lower numbers of its source
   were acknowledged. So in the order of a partition a number not above the highest seen from its source is a
   repeat, and no other is.
5. Where a source is met for the first time by this reader, the highest number stored of it is the highest in
   the partition before this record: all before was stored (1, 2), and only the owner of the partition stores.
   So it is asked of the warehouse, once planned ranges are done, and need not be kept here.
6. Records that are no clicks have no number: sent twice, they are dead letters twice. Read twice, they are
   one, for a dead letter is known by partition and offset.
7. All of it is dropped when the group is rebalanced, and read again: offsets, plans, floors.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from ingest.kafka.address import CLICKS_TOPIC, DEAD_SUFFIX, KafkaAddress
from ingest.kafka.errors import BusUnavailableError
from ingest.kafka.group_offsets import GenerationOverError
from ingest.kafka.record_reader import RecordReader
from ingest.kafka.stopping import stop_consumer
from ingest.kafka.topics import Topic, ensure_topics
from ingest.sources.kafka_assignment import KafkaAssignment
from ingest.sources.kafka_partition import KafkaPartition
from ingest.sources.kafka_position import KafkaPosition
from ingest.sources.source import Fetched, PartitionLostError, Range, Source

GROUP: Final = "smartlinks.ingest"
SESSION_TIMEOUT_S: Final = 6.0  # the least that brokers allow by default
FETCH_BYTES: Final = 16 * 1024 * 1024
BUFFER_BYTES: Final = 128 * 1024 * 1024  # of all partitions together: of eight, 34,000 clicks each
LEAST_FETCH_BYTES: Final = 1024 * 1024
MAX_PARTS: Final = 2  # times `max_records` are handed out at a time, so that memory is bounded
POLL_S: Final = 1.0
STALLED_AFTER_S: Final = 20.0
"""Without a record for so long, the consumer is opened again if there are some to read."""
_UNLIMITED_MS: Final = 24 * 3_600_000  # a warehouse that is down for hours must not cost us the partitions

_log = logging.getLogger(__name__)


class KafkaSource(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka ships no types
    """A member of the group. Connects at the first `fetch`, and again after every failure."""

    def __init__(self, address: KafkaAddress, *, session_timeout_s: float = SESSION_TIMEOUT_S) -> None:
        self._address = address
        self._topic = address.prefix + CLICKS_TOPIC
        self._session_timeout_s = session_timeout_s
        self._consumer: AIOKafkaConsumer | None = None
        self._reader: RecordReader | None = None
        self._assignment: KafkaAssignment | None = None
        self._assignments = 0  # so many there were
        self._polling: asyncio.Task[tuple[KafkaAssignment, list[Fetched]]] | None = None
        self._topics: list[Topic] = []
        self._turns = 0
        self._last_record_s = 0.0

    async def fetch(self, max_records: int, max_wait_s: float) -> Sequence[Fetched]:
        """As `Source.fetch`. Raises `BusUnavailableError`. Where it is cancelled, the next call gets all."""
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll(max_records))
        polling = self._polling
        await asyncio.wait([polling], timeout=max_wait_s)
        if not polling.done():
            return []
        self._polling = None
        assignment, found = polling.result()
        if assignment is not self._assignment:
            return []
        if sum(len(part.values) for part in found) >= max_records:
            # There is more. It is read while these are stored, and handed out when they are.
            self._polling = asyncio.create_task(self._poll(max_records))
        return found

    async def plan(self, batch: Range) -> None:
        """As `Source.plan`. Raises `ValueError` out of turn, `BusUnavailableError`."""
        assignment, partition = self._find(batch)
        if partition.plan == batch:
            return
        partition.turn(batch)
        await self._write(assignment, partition, partition.planned(batch))

    async def commit(self, batch: Range) -> None:
        """As `Source.commit`. Raises `ValueError` out of turn, `BusUnavailableError`."""
        assignment, partition = self._find(batch)
        partition.turn(batch)
        await self._write(assignment, partition, partition.stored(batch))

    @property
    def unit(self) -> Literal["events"]:
        return "events"

    def lag(self) -> int:
        """Events in our partitions and not yet stored, as of the last fetch."""
        assignment, consumer = self._assignment, self._consumer
        if assignment is None or assignment.partitions is None or consumer is None:
            return 0
        lag = 0
        for topic_partition, partition in list(assignment.partitions.items()):
            end = consumer.highwater(topic_partition) if topic_partition in consumer.assignment() else None
            lag += max(end or 0, partition.read_to) - partition.position.stored
        return lag

    async def close(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        await self._disconnect()

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's
        """Called by the consumer before it joins the group again."""
        self._assignment = None

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by the consumer when it has joined."""
        self._assignments += 1
        self._assignment = KafkaAssignment(self._assignments, self._consumer, assigned)

    async def _poll(self, max_records: int) -> tuple[KafkaAssignment, list[Fetched]]:
        """Consume until there is something to hand out."""
        try:
            while True:
                consumer = self._consumer or await self._connect()
                if self._assignment is not None and self._assignment.partitions is None:
                    await self._read_positions(self._assignment)
                assignment = self._assignment
                found = await self._consume(consumer, assignment, max_records)
                if found and assignment is not None:
                    return assignment, found
        except (KafkaError, TimeoutError) as error:
            await self._disconnect()
            raise BusUnavailableError(f"Kafka at {self._address.servers}: {error!r}") from error
        except BusUnavailableError:
            await self._disconnect()
            raise

    async def _connect(self) -> AIOKafkaConsumer:
        if not self._topics:
            self._topics = await ensure_topics(self._address, [CLICKS_TOPIC, CLICKS_TOPIC + DEAD_SUFFIX])
        consumer = AIOKafkaConsumer(
            **self._address.client_options(),
            group_id=self._address.prefix + GROUP,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(self._session_timeout_s * 1000),
            heartbeat_interval_ms=int(self._session_timeout_s * 1000 / 4),
            max_poll_interval_ms=_UNLIMITED_MS,
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=max(LEAST_FETCH_BYTES, BUFFER_BYTES // self._topics[0].partitions),
        )
        try:
            await consumer.start()
        except BaseException:
            await stop_consumer(consumer)
            raise
        self._consumer = consumer
        self._reader = RecordReader(consumer)
        self._last_record_s = asyncio.get_running_loop().time()
        consumer.subscribe([self._topic], listener=self)
        return consumer

    async def _disconnect(self) -> None:
        consumer, self._consumer, self._assignment = self._consumer, None, None
        if consumer is not None:
            with contextlib.suppress(KafkaError):
                await stop_consumer(consumer)

    async def _read_positions(self, assignment: KafkaAssignment) -> None:
        try:
            await assignment.read_positions()
        except GenerationOverError:
            self._leave(assignment)
        if self._assignment is assignment:
            assignment.rewind()

    async def _consume(
        self, consumer: AIOKafkaConsumer, assignment: KafkaAssignment | None, max_records: int
    ) -> list[Fetched]:
        assert self._reader is not None
        self._turns += 1
        consumed = await self._reader.read(
            [] if assignment is None else _rotated(assignment.assigned, self._turns),
            max_records=max_records,
            max_total=MAX_PARTS * max_records,
            timeout_s=POLL_S,
        )
        if assignment is None or self._assignment is not assignment or assignment.partitions is None:
            if self._assignment is not None:
                self._assignment.rewind()  # it is not known whose records these are: they are read again
            return []
        await self._watch(consumer, assignment.partitions, anything=bool(consumed))
        if self._assignment is not assignment:
            return []
        found: list[Fetched] = []
        for at, records in consumed.items():
            partition = assignment.partitions[at]
            fetched = partition.take(records)
            if fetched is not None:
                found.append(fetched)
            if partition.read_to != records.ends[-1]:
                consumer.seek(at, partition.read_to)
        return found

    async def _watch(
        self,
        consumer: AIOKafkaConsumer,
        partitions: Mapping[TopicPartition, KafkaPartition],
        *,
        anything: bool,
    ) -> None:
        """Raise `BusUnavailableError` where there are records that the consumer does not get."""
        now_s = asyncio.get_running_loop().time()
        if anything:
            self._last_record_s = now_s
        if now_s - self._last_record_s < STALLED_AFTER_S or not partitions:
            return
        self._last_record_s = now_s
        ends = await asyncio.wait_for(consumer.end_offsets(list(partitions)), SESSION_TIMEOUT_S)
        if any(end > partitions[at].read_to for at, end in ends.items()):
            raise BusUnavailableError("the consumer gets none of the records that are there")

    async def _write(
        self, assignment: KafkaAssignment, partition: KafkaPartition, position: KafkaPosition
    ) -> None:
        try:
            await assignment.write(partition, position)
        except GenerationOverError as error:
            self._leave(assignment)
            raise PartitionLostError(str(error)) from error

    def _leave(self, assignment: KafkaAssignment) -> None:
        if self._assignment is assignment:
            self._assignment = None

    def _find(self, batch: Range) -> tuple[KafkaAssignment, KafkaPartition]:
        assignment = self._assignment
        partition = None if assignment is None else assignment.find(batch)
        if assignment is None or partition is None:
            raise PartitionLostError(
                f"{batch.partition} is not read here, or was read before the group was rebalanced"
            )
        return assignment, partition


def _rotated(partitions: Sequence[TopicPartition], turns: int) -> list[TopicPartition]:
    """All of them, each in front once in so many turns as there are."""
    first = turns % max(1, len(partitions))
    return [*partitions[first:], *partitions[:first]]


def _conforms(source: KafkaSource) -> Source:
    return source
