"""What stands in a topic, read to its end without a consumer group."""

from aiokafka import AIOKafkaConsumer, TopicPartition

from ingest.kafka.address import parse_address


async def read_topic(url: str, topic: str) -> dict[int, list[bytes]]:
    """The values of each partition, in order. `topic` is without the prefix."""
    address = parse_address(url)
    consumer = AIOKafkaConsumer(**address.client_options(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        name = address.prefix + topic
        partitions = [TopicPartition(name, number) for number in await _numbers(consumer, name)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: dict[int, list[bytes]] = {at.partition: [] for at in partitions}
        while any(len(found[at.partition]) < end for at, end in ends.items()):
            for at, records in (await consumer.getmany(timeout_ms=1000)).items():
                found[at.partition] += [record.value for record in records]
        return found
    finally:
        await consumer.stop()


async def _numbers(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    await consumer._client.force_metadata_update()
    await consumer._client.add_topic(topic)
    return sorted(consumer.partitions_for_topic(topic) or ())
