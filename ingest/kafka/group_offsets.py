"""The offsets of a consumer group, committed under the generation in which the partitions were given to us.

aiokafka's own `commit` sends whatever generation it has by then, so a commit decided before a rebalance
would pass after it; after a session that was lost it sends none at all, which a broker takes from anybody
while the group is empty. Here the generation is that of the assignment, and the broker refuses all others.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.protocol.commit import OffsetCommitRequest

from ingest.kafka.errors import BusUnavailableError

COMMIT_WITHIN_S: Final = 10.0
_RETRY_S: Final = 0.1


class GenerationOverError(Exception):
    """The group has been rebalanced since: the partitions may be another's."""


class GroupOffsets:
    """Offsets of the partitions that `consumer` was given when this was made."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        # The only place that looks into aiokafka: no public call tells the generation or the metadata.
        self._coordinator: Final[Any] = consumer._coordinator  # noqa: SLF001 - see above
        self._generation: Final[int] = self._coordinator.generation
        self._member_id: Final[str] = self._coordinator.member_id
        self._group: Final[str] = self._coordinator.group_id

    async def fetch(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, tuple[int, str]]:
        """Offset and metadata of those that have any. Raises `BusUnavailableError`."""
        try:
            async with asyncio.timeout(COMMIT_WITHIN_S):
                found = await self._coordinator.fetch_committed_offsets(list(partitions))
        except (KafkaError, TimeoutError) as error:
            raise BusUnavailableError(f"the group's offsets can't be read: {error!r}") from error
        return {partition: (entry.offset, entry.metadata) for partition, entry in found.items()}

    async def commit(self, positions: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """Commit offsets with their metadata.

        Raises `GenerationOverError`, after which no later call can commit either, and `BusUnavailableError`,
        after which they may have been committed.
        """
        by_topic: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for partition, (offset, metadata) in positions.items():
            by_topic[partition.topic].append((partition.partition, offset, metadata))
        try:
            async with asyncio.timeout(COMMIT_WITHIN_S):
                while not await self._try_commit(list(by_topic.items())):  # noqa: ASYNC110 - a pause between tries
                    await asyncio.sleep(_RETRY_S)
        except (IllegalGenerationError, UnknownMemberIdError, RebalanceInProgressError) as error:
            self._coordinator.request_rejoin()
            raise GenerationOverError(f"generation {self._generation} of {self._group} is over") from error
        except (KafkaError, TimeoutError) as error:
            raise BusUnavailableError(f"an offset can't be committed: {error!r}") from error

    async def _try_commit(self, topics: list[tuple[str, list[tuple[int, int, str]]]]) -> bool:
        """Whether it is done; False where another try may help."""
        await self._coordinator.ensure_coordinator_known()
        retention = OffsetCommitRequest.DEFAULT_RETENTION_TIME
        request = OffsetCommitRequest(self._group, self._generation, self._member_id, retention, topics)
        try:
            answer = await self._coordinator._send_req(request)  # noqa: SLF001 - as in __init__
        except KafkaError as error:
            if error.retriable:
                return False
            raise
        for _, partitions in answer.topics:
            for _, code in partitions:
                error_type = for_code(code)
                if not code:
                    continue
                if not error_type.retriable:
                    raise error_type
                if error_type.invalid_metadata:
                    self._coordinator.coordinator_dead()
                return False
        return True
