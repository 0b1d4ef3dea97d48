"""The topic of dead letters: what was no click, with where it stood and why, for whoever listens.

The warehouse's table is what ingest goes by (`ingest/dead_letters.py`). A range that is read again is sent
again; the key, the letter's origin, tells that it is the same.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ingest.batches import DeadLetter
from ingest.kafka.address import CLICKS_TOPIC, DEAD_SUFFIX, KafkaAddress
from ingest.kafka.errors import BusUnavailableError
from ingest.sources.source import Range

WITHIN_S: Final = 10.0


class DeadLetterTopic:
    """Connects when the first letter comes, for most never do."""

    def __init__(self, address: KafkaAddress) -> None:
        self._address = address
        self._topic = address.prefix + CLICKS_TOPIC + DEAD_SUFFIX
        self._producer: AIOKafkaProducer | None = None

    async def send(self, batch: Range, letters: Sequence[DeadLetter]) -> None:
        """Send a range's dead letters: `{"origin", "reason", "detail", "value"}` each, the origin as the key.

        `value` is the event's text, or `value_hex` has its bytes. Raises `BusUnavailableError`.
        """
        try:
            async with asyncio.timeout(WITHIN_S):
                producer = self._producer or await self._connect()
                sent = [
                    await producer.send(self._topic, _describe(batch, letter), key=_origin(batch, letter))
                    for letter in letters
                ]
                await asyncio.gather(*sent)
        except (KafkaError, TimeoutError) as error:
            await self.close()
            raise BusUnavailableError(f"dead letters can't be sent: {error!r}") from error

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(producer.stop(), WITHIN_S)

    async def _connect(self) -> AIOKafkaProducer:
        self._producer = AIOKafkaProducer(**self._address.client_options(), acks="all")
        await self._producer.start()
        return self._producer


def _origin(batch: Range, letter: DeadLetter) -> bytes:
    return f"{batch.partition}:{letter.position}".encode()


def _describe(batch: Range, letter: DeadLetter) -> bytes:
    fields = {
        "origin": _origin(batch, letter).decode(),
        "reason": letter.reason,
        "detail": letter.detail,
    }
    try:
        fields["value"] = letter.value.decode()
    except UnicodeDecodeError:
        fields["value_hex"] = letter.value.hex()
    return orjson.dumps(fields)
