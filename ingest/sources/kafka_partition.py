"""One Kafka partition as long as one reader owns it. No I/O: records and positions come from outside."""

import logging
from typing import Final

from ingest.kafka.record_reader import Records
from ingest.sources.kafka_position import KafkaPosition
from ingest.sources.source import Fetched, Range, Turn

_log = logging.getLogger(__name__)


class KafkaPartition:
    """Turns what was consumed into fetched ranges, and checks what is planned and committed against them."""

    def __init__(self, topic: str, partition: int, position: KafkaPosition, generation: int) -> None:
        self.generation: Final = generation
        self.topic: Final = topic
        self.number: Final = partition
        self.name: Final = f"{topic}-{partition}@{position.lineage}"
        self.position = position
        self.read_to = position.stored
        self._replay_end = position.planned_end  # planned by a predecessor, and not handed out yet
        self._replayed: tuple[list[bytes], list[int]] = ([], [])  # values, and offsets behind them
        self._lost = 0
        self._floors: dict[int, int] = {}

    def take(self, records: Records) -> Fetched | None:
        """What is to be handed out now that these records came, None if nothing is yet.

        Records of a plan are kept until it is whole. Those behind its end are not taken: `read_to` says where
        to read on.
        """
        if self._replay_end is not None:
            return self._take_replay(records, self._replay_end)
        start = self.read_to
        records = records.behind(start)
        if not records.values:
            return None
        self.read_to = records.ends[-1]
        lost = self.read_to - start - len(records.values)
        self._tell_of_lost(lost, start)
        return Fetched(
            *(self.name, start, self.read_to, records.values, records.ends),
            damaged=lost,
            floors=self._floors,
            generation=self.generation,
        )

    def turn(self, batch: Range) -> None:
        """Raises `ValueError` where it is not the batch's turn."""
        Turn(self.position.stored, self.read_to, self.plan).check(batch)

    @property
    def plan(self) -> Range | None:
        position = self.position
        if position.planned_end is None:
            return None
        return Range(self.name, position.stored, position.planned_end, position.left_out)

    def planned(self, batch: Range) -> KafkaPosition:
        """The position to commit before the batch is stored."""
        return KafkaPosition(self.position.lineage, batch.start, batch.end, batch.left_out)

    def stored(self, batch: Range) -> KafkaPosition:
        """The position to commit once it is."""
        return KafkaPosition(self.position.lineage, batch.end)

    def _take_replay(self, records: Records, end: int) -> Fetched | None:
        values, ends = self._replayed
        for value, record_end in zip(records.values, records.ends, strict=True):
            if record_end > end:
                self._lost += end - self.read_to
                self.read_to = end
                break
            if record_end > self.read_to:
                self._lost += record_end - 1 - self.read_to
                self.read_to = record_end
                values.append(value)
                ends.append(record_end)
        if self.read_to < end:
            return None
        self._replayed, self._replay_end = ([], []), None
        self._tell_of_lost(self._lost, self.position.stored)
        return Fetched(
            self.name,
            self.position.stored,
            end,
            values,
            ends,
            planned=True,
            damaged=self._lost,
            left_out=self.position.left_out,
            floors=self._floors,
            generation=self.generation,
        )

    def _tell_of_lost(self, lost: int, start: int) -> None:
        if lost:
            _log.error("%s: %d records behind offset %d are gone from Kafka", self.name, lost, start)
