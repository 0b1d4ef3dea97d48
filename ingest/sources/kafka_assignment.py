"""The partitions that one generation of the group gave us, and how far they are stored."""

from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from ingest.kafka.group_offsets import GroupOffsets
from ingest.sources.kafka_partition import KafkaPartition
from ingest.sources.kafka_position import KafkaPosition
from ingest.sources.source import Range


class KafkaAssignment:
    """`partitions` is filled once their positions were read.

    Its methods raise `GenerationOverError` where the group has been rebalanced since, `BusUnavailableError`
    where nothing is known of a commit.
    """

    def __init__(self, number: int, consumer: AIOKafkaConsumer, assigned: Iterable[TopicPartition]) -> None:
        self.number: Final = number
        self.assigned: Final = tuple(assigned)
        self.partitions: dict[TopicPartition, KafkaPartition] | None = None
        self._consumer = consumer
        self._offsets = GroupOffsets(consumer)

    async def read_positions(self) -> None:
        """Find out how far our partitions are stored; where nobody has said so yet, say it."""
        committed = await self._offsets.fetch(self.assigned)
        partitions: dict[TopicPartition, KafkaPartition] = {}
        begun: dict[TopicPartition, tuple[int, str]] = {}
        for at in self.assigned:
            offset, metadata = committed.get(at, (None, ""))
            position = None if offset is None else KafkaPosition.parse(offset, metadata)
            if position is None:
                if offset is None:
                    offset = (await self._consumer.beginning_offsets([at]))[at]
                position = KafkaPosition.begin(offset)
                begun[at] = (offset, position.metadata())
            partitions[at] = KafkaPartition(at.topic, at.partition, position, self.number)
        if begun:
            await self._offsets.commit(begun)
        self.partitions = partitions

    def rewind(self) -> None:
        """Read on where what was handed out ends."""
        for at, partition in (self.partitions or {}).items():
            self._consumer.seek(at, partition.read_to)

    def find(self, batch: Range) -> KafkaPartition | None:
        """The partition that the batch is of; None where it is none of these, or was read in another time."""
        for partition in (self.partitions or {}).values():
            if (partition.name, partition.generation) == (batch.partition, batch.generation):
                return partition
        return None

    async def write(self, partition: KafkaPartition, position: KafkaPosition) -> None:
        """Commit a position of one of the partitions."""
        at = TopicPartition(partition.topic, partition.number)
        await self._offsets.commit({at: (position.stored, position.metadata())})
        partition.position = position
