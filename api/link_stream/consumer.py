"""Consumes `smartlinks.links.v1`: applies commands, answers them, and only then commits their offsets.

Whoever dies in between does the same again (`applying.py`), so each command has one effect and at least one
result. An offset is committed under the generation in which its partition was given to us: a consumer that
lost it, be it for a pause of minutes, moves no offset, and what it repeats has no effect.

What can't be answered goes to the topic of dead letters. Where Redis, the warehouse or Kafka is down, nothing
is committed and all is tried again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from api.link_stream.applying import PASSING, Applying
from api.link_stream.commands import (
    Addition,
    ReadCommand,
    RefusedCommandError,
    UndecodableCommandError,
    read_command,
)
from api.metrics import Metrics
from ingest.contract import (
    DEAD_SUFFIX,
    LINK_RESULTS_TOPIC,
    LINKS_TOPIC,
    BusUnavailableError,
    GenerationOverError,
    GroupOffsets,
    KafkaAddress,
    ensure_topics,
    stop_consumer,
)

GROUP: Final = "smartlinks.link-commands"
MAX_COMMANDS: Final = 2_000
MAX_RECIPIENTS_AT_A_TIME: Final = 64_000
POLL_MS: Final = 200
FETCH_BYTES: Final = 4 * 1024 * 1024  # of a partition; recipients of one link are minted 16,000 at a time
RETRY_S: Final = 0.5
ACK_WITHIN_S: Final = 30.0
_UNLIMITED_MS: Final = 24 * 3_600_000  # a warehouse that is down for hours must not cost us the partitions
_PASSING: Final = (*PASSING, KafkaError, BusUnavailableError, GenerationOverError, TimeoutError)

Read = ReadCommand | RefusedCommandError
log = logging.getLogger(__name__)


class LinkStream(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka ships no types
    """A member of the group. `trouble` says why nothing moves, None while it does."""

    def __init__(self, address: KafkaAddress, applying: Applying, metrics: Metrics) -> None:
        self.trouble: str | None = "Kafka has not answered yet"
        self._address = address
        self._applying = applying
        self._metrics = metrics
        self._applied = asyncio.Lock()
        self._consumer: AIOKafkaConsumer | None = None
        self._offsets: GroupOffsets | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._consume()
            except _PASSING as error:
                self.trouble = str(error) or type(error).__name__
                log.warning("link commands wait: %s", self.trouble)
            except Exception as error:
                self.trouble = f"link commands can't be applied: {error!r}"
                log.exception("link commands can't be applied")
            await asyncio.sleep(RETRY_S)

    async def on_partitions_revoked(self, _revoked: Any) -> None:
        """Called before the group is joined again: whoever gets the partitions finds our work done."""
        async with self._applied:
            self._offsets = None

    def on_partitions_assigned(self, _assigned: Any) -> None:
        """Called when the group has been joined."""
        self._offsets = GroupOffsets(self._consumer)

    async def _consume(self) -> None:
        names = [LINKS_TOPIC, LINK_RESULTS_TOPIC, LINKS_TOPIC + DEAD_SUFFIX]
        await ensure_topics(self._address, names)
        options = self._address.client_options()
        async with contextlib.AsyncExitStack() as stack:
            producer = AIOKafkaProducer(**options, acks="all", linger_ms=5)
            stack.push_async_callback(_stop, producer.stop)
            await producer.start()
            consumer = AIOKafkaConsumer(
                **options,
                group_id=self._address.prefix + GROUP,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_interval_ms=_UNLIMITED_MS,
                max_partition_fetch_bytes=FETCH_BYTES,
            )
            stack.push_async_callback(_stop, partial(stop_consumer, consumer))
            await consumer.start()
            self._consumer, self._offsets = consumer, None
            consumer.subscribe([self._address.prefix + LINKS_TOPIC], listener=self)
            while True:
                fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_COMMANDS)
                self.trouble = None
                async with self._applied:
                    offsets = self._offsets
                    if offsets is None:
                        _rewind(consumer, fetched)  # the group is being joined again: these may be another's
                        continue
                    done = await asyncio.gather(  # partitions side by side
                        *(self._handle(offsets, producer, *each) for each in fetched.items()),
                        return_exceptions=True,
                    )
                for error in filter(None, done):
                    raise error

    async def _handle(
        self,
        offsets: GroupOffsets,
        producer: AIOKafkaProducer,
        at: TopicPartition,
        records: Sequence[Any],
    ) -> None:
        """Apply one partition's records, in runs of bounded size."""
        commands: list[Read] = []
        recipients = 0
        for record in records:
            try:
                command: Read = read_command(record.value)
            except RefusedCommandError as refused:
                command = refused
            except UndecodableCommandError as error:
                await self._bury(producer, record, error)
                continue
            commands.append(command)
            recipients += len(command.pairs) if isinstance(command, Addition) else 0
            if recipients >= MAX_RECIPIENTS_AT_A_TIME:
                await self._apply(producer, commands)
                commands, recipients = [], 0
        await self._apply(producer, commands)
        await offsets.commit({at: (records[-1].offset + 1, "")})

    async def _apply(self, producer: AIOKafkaProducer, commands: Sequence[Read]) -> None:
        if not commands:
            return
        answers = await self._applying.apply(commands)
        topic = self._address.prefix + LINK_RESULTS_TOPIC
        async with asyncio.timeout(ACK_WITHIN_S):
            sent = []
            for command, results in zip(commands, answers, strict=True):
                fields = command.fields if isinstance(command, RefusedCommandError) else None
                key = (fields["id"] if fields else command.id).encode()  # type: ignore[union-attr] # told apart above
                sent += [await producer.send(topic, result, key=key) for result in results]
            await asyncio.gather(*sent)
        self._metrics.link_commands.inc(len(commands))

    async def _bury(self, producer: AIOKafkaProducer, record: Any, error: UndecodableCommandError) -> None:
        fields = {
            "origin": f"{record.topic}-{record.partition}:{record.offset}",
            "reason": "not_a_command",
            "detail": str(error),
        }
        value = record.value or b""
        try:
            fields["value"] = value.decode()
        except UnicodeDecodeError:
            fields["value_hex"] = value.hex()
        async with asyncio.timeout(ACK_WITHIN_S):
            await producer.send_and_wait(
                self._address.prefix + LINKS_TOPIC + DEAD_SUFFIX,
                orjson.dumps(fields),
                key=fields["origin"].encode(),
            )
        self._metrics.link_commands_undecodable.inc()


def _rewind(consumer: AIOKafkaConsumer, fetched: Mapping[TopicPartition, Sequence[Any]]) -> None:
    for at, records in fetched.items():
        if at in consumer.assignment():
            consumer.seek(at, records[0].offset)


async def _stop(stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with contextlib.suppress(KafkaError, TimeoutError):
        await asyncio.wait_for(stop(), ACK_WITHIN_S)
