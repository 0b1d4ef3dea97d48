"""Who leads a topic's partitions, and who follows: what a fault drill must know."""

from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient

from ingest.kafka.address import parse_address


@dataclass(frozen=True, slots=True)
class PartitionState:
    """Brokers by their node's number; `in_sync` has the leader, too."""

    leader: int
    in_sync: frozenset[int]


async def read_states(url: str, topic: str) -> dict[int, PartitionState]:
    """By partition. `topic` is without the prefix."""
    address = parse_address(url)
    admin = AIOKafkaAdminClient(**address.client_options())
    await admin.start()
    try:
        (described,) = await admin.describe_topics([address.prefix + topic])
        return {
            int(each["partition"]): PartitionState(int(each["leader"]), frozenset(each["isr"]))
            for each in described["partitions"]
        }
    finally:
        await admin.close()
