"""Ships the click spool: reads every source of this machine, sends it, and notes how far it was acknowledged.

Invariants:

1. A source goes to one partition for ever (`partitions.py`).
2. An event is sent only after all before it in its source were acknowledged. So in a partition the numbers of
   a source grow, and what does not is a repeat.
3. The position moves only over what was acknowledged. Whoever dies in between sends again.
4. It is a process of its own and the only reader of the spool: the edge waits for nothing here, and where
   Kafka is down the spool grows on the disk while memory stays bounded by one fetch.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import orjson
from prometheus_client import CollectorRegistry

from edge.contract import Ops, Settings
from ingest.kafka.address import CLICKS_TOPIC, DEAD_SUFFIX, KafkaAddress
from ingest.kafka.errors import BusUnavailableError
from ingest.kafka.topics import ensure_topics
from ingest.shipper.metrics import ShipperMetrics
from ingest.shipper.partitions import Partitions
from ingest.shipper.producer import WatchedProducer
from ingest.sources.source import Fetched, Range
from ingest.sources.spool import SpoolSource

METRICS_PORT_OFFSET: Final = 4
MAX_RECORDS: Final = 10_000  # of a source at a time
ROUND_S: Final = 0.1
"""A round of few events takes at least so long: a position is forced to the disk once a round and source."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0

_log = logging.getLogger(__name__)


async def run(settings: Settings, address: KafkaAddress, stop: asyncio.Event) -> None:
    """Ship until `stop` is set. Serves metrics on `METRICS_PORT` + 4.

    Raises `SpoolInUseError` where another process reads the spool, `OSError` where it can't be read.
    """
    registry = CollectorRegistry()
    shipper = Shipper(settings, address, ShipperMetrics(registry))
    ops = Ops("shipper", registry)
    ops.ready_when("kafka", lambda: shipper.trouble)
    await ops.start(settings.api_host, settings.metrics_port + METRICS_PORT_OFFSET)
    try:
        await shipper.serve(stop)
    finally:
        await shipper.close()
        await ops.close()


class Shipper:
    """One reader of one spool. `trouble` says why nothing moves, None while it does."""

    def __init__(self, settings: Settings, address: KafkaAddress, metrics: ShipperMetrics) -> None:
        self.trouble: str | None = "Kafka has not answered yet"
        self._folder = settings.spool_dir
        self._address = address
        self._metrics = metrics
        self._spool = SpoolSource(self._folder)
        self._producer = WatchedProducer(address, address.prefix + CLICKS_TOPIC, metrics)
        metrics.watch_backlog(self._spool.lag)

    async def serve(self, stop: asyncio.Event) -> None:
        """Ship until `stop` is set."""
        partitions = await self._find_topic(stop)
        while partitions is not None and not stop.is_set():
            began_s = asyncio.get_running_loop().time()
            fetched = await self._fetch()
            await self._ship(fetched, partitions, stop)
            if max((len(part.values) for part in fetched), default=0) < MAX_RECORDS:
                await _pause(began_s + ROUND_S - asyncio.get_running_loop().time(), stop)

    async def close(self) -> None:
        await self._producer.close()
        await self._spool.close()

    async def _find_topic(self, stop: asyncio.Event) -> Partitions | None:
        """The topic's partitions as soon as Kafka answers; None where `stop` is set before."""
        names = [CLICKS_TOPIC, CLICKS_TOPIC + DEAD_SUFFIX]
        pause_s = FIRST_PAUSE_S
        while not stop.is_set():
            try:
                topic, _ = await ensure_topics(self._address, names)
            except BusUnavailableError as error:
                self._complain(error)
                await _pause(pause_s, stop)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                self.trouble = None
                return Partitions(self._folder, topic.partitions)
        return None

    async def _fetch(self) -> Sequence[Fetched]:
        try:
            return await self._spool.fetch(MAX_RECORDS, ROUND_S)
        except OSError as error:
            self._complain(error)
            return []

    async def _ship(self, fetched: Sequence[Fetched], partitions: Partitions, stop: asyncio.Event) -> None:
        """Send everything, partitions side by side, each in order; or until `stop` is set."""
        if not fetched:
            return
        by_partition: dict[int, list[Fetched]] = defaultdict(list)
        for part in fetched:
            by_partition[partitions.of(part.partition)].append(part)
            self._metrics.damaged.inc(part.damaged)
        self._metrics.set_oldest(min(filter(None, map(_first_ts_ms, fetched)), default=None))
        async with asyncio.TaskGroup() as tasks:
            for partition, parts in by_partition.items():
                tasks.create_task(self._ship_in_order(partition, parts, stop))
        if not stop.is_set():
            self._metrics.set_oldest(None)

    async def _ship_in_order(self, partition: int, parts: Sequence[Fetched], stop: asyncio.Event) -> None:
        for part in parts:
            values = part.values
            sent = 0
            pause_s = FIRST_PAUSE_S
            while sent < len(values):
                if stop.is_set():
                    return
                try:
                    sent += await self._producer.send(partition, values[sent:])
                except BusUnavailableError as error:
                    self._complain(error)
                    await _pause(pause_s, stop)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                else:
                    self.trouble = None
                    pause_s = FIRST_PAUSE_S
            await self._commit(Range(part.partition, part.start, part.end), stop)

    async def _commit(self, batch: Range, stop: asyncio.Event) -> None:
        """Note that a range was acknowledged; where the disk is full, once it isn't."""
        while not stop.is_set():
            try:
                await self._spool.commit(batch)
            except OSError as error:
                self._complain(error)
                await _pause(LONGEST_PAUSE_S, stop)
            else:
                return

    def _complain(self, error: Exception) -> None:
        self.trouble = str(error)
        _log.warning("%s; the spool keeps what is not sent", error)


def _first_ts_ms(part: Fetched) -> int | None:
    """When the first click of a part was made; None where it does not say."""
    for value in part.values[:1]:
        with contextlib.suppress(orjson.JSONDecodeError, KeyError, TypeError):
            return int(orjson.loads(value)["ts"])
    return None


async def _pause(seconds: float, stop: asyncio.Event) -> None:
    """Wait, but not on past `stop`."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), max(0.0, seconds))
