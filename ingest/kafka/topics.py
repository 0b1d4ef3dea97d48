"""Our topics: created where they are missing, else looked at, and the log says what was found."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from ingest.kafka.address import (
    CLICKS_TOPIC,
    DEAD_SUFFIX,
    LINK_RESULTS_TOPIC,
    LINKS_TOPIC,
    KafkaAddress,
)
from ingest.kafka.diagnosis import explain_failure
from ingest.kafka.errors import BusUnavailableError

MAX_REPLICATION: Final = 3
KNOWN_WITHIN_S: Final = 10.0
_RETENTION: Final = "retention.ms"
_MIN_INSYNC: Final = "min.insync.replicas"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is. `retention_ms` -1 keeps for ever."""

    name: str
    partitions: int
    replication: int
    min_insync_replicas: int
    retention_ms: int

    def __str__(self) -> str:
        kept = "for ever" if self.retention_ms < 0 else f"{self.retention_ms / 3_600_000:g} h"
        return (
            f"{self.partitions} partitions, replication {self.replication},"
            f" min.insync.replicas {self.min_insync_replicas}, kept {kept}"
        )


async def ensure_topics(address: KafkaAddress, names: Sequence[str]) -> list[Topic]:
    """Create which of these topics (without the prefix) are missing; all of them as they are now.

    One that is there is never changed: where it is unlike what was asked for, the log says so.
    Raises `BusUnavailableError`.
    """
    admin = AIOKafkaAdminClient(**address.client_options())
    wanted = [address.prefix + name for name in names]
    try:
        await admin.start()
        there = await admin.list_topics()
        await _create(admin, address, [name for name in wanted if name not in there])
        topics = await _describe(admin, wanted)
    except KafkaError as error:
        raise BusUnavailableError(await explain_failure(address, error)) from error
    finally:
        await admin.close()
    for topic in topics:
        _log.info("topic %s: %s", topic.name, topic)
        for remark in remarks_on(topic, address):
            _log.warning("topic %s: %s", topic.name, remark)
    return topics


async def check_topics(address: KafkaAddress) -> list[tuple[Topic, list[str]]]:
    """All topics of ours, created where they are missing, each with `remarks_on` it."""
    names = [name + suffix for name in (CLICKS_TOPIC, LINKS_TOPIC) for suffix in ("", DEAD_SUFFIX)]
    found = await ensure_topics(address, [*names, LINK_RESULTS_TOPIC])
    return [(topic, remarks_on(topic, address)) for topic in found]


async def _create(admin: Any, address: KafkaAddress, names: Sequence[str]) -> None:
    if not names:
        return
    brokers = len((await admin.describe_cluster())["brokers"])
    replication = address.replication or min(brokers, MAX_REPLICATION)
    configuration = {
        _RETENTION: str(address.retention_hours * 3_600_000),
        _MIN_INSYNC: str(max(1, replication - 1)),
    }
    topics = [NewTopic(name, address.partitions, replication, topic_configs=configuration) for name in names]
    answer = await admin.create_topics(topics)
    for name, code, message in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:  # another program may have been quicker
            raise error(f"topic {name} can't be created: {message}")
    _log.info("created topics %s", ", ".join(names))


async def _describe(admin: Any, names: Sequence[str]) -> list[Topic]:
    found = await _find(admin, names)
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    settings: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for _code, _message, _kind, name, entries in answer.resources:
            settings[name] = {entry[0]: entry[1] for entry in entries}
    return [
        Topic(
            name,
            partitions=len(found[name]),
            replication=min((len(partition["replicas"]) for partition in found[name]), default=0),
            min_insync_replicas=int(settings[name].get(_MIN_INSYNC, 1)),
            retention_ms=int(settings[name].get(_RETENTION, -1)),
        )
        for name in names
    ]


async def _find(admin: Any, names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The partitions of each topic. A broker may hear of a new topic a moment later than of its making."""
    deadline_s = time.monotonic() + KNOWN_WITHIN_S
    while True:
        found = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics(list(names))}
        if all(found.get(name) for name in names):
            return found
        if time.monotonic() > deadline_s:
            raise BusUnavailableError("topics that were created are not there yet")
        await asyncio.sleep(0.05)


def remarks_on(topic: Topic, address: KafkaAddress) -> list[str]:
    """In what the topic is less than was asked for; nothing where all is well."""
    remarks = []
    if topic.partitions < address.partitions:
        remarks.append(f"it has fewer partitions than {address.partitions}")
    if 0 <= topic.retention_ms < address.retention_hours * 3_600_000:
        remarks.append(f"it is kept for less than {address.retention_hours} h")
    if topic.replication >= MAX_REPLICATION > topic.min_insync_replicas + 1:
        remarks.append(
            f"with min.insync.replicas {topic.min_insync_replicas} one broker's disk may hold the only copy"
            " of an event"
        )
    return remarks
