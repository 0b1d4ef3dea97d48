"""Stops a consumer of aiokafka, whatever it is doing."""

import asyncio

from aiokafka import AIOKafkaConsumer


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close all connections. Raises `KafkaError`.

    `AIOKafkaConsumer.stop` (0.14) cancels its fetches and waits for them. One that waits to be tried again,
    as when all brokers are gone, passes the cancellation on, to whoever stops, with connections still open.
    """
    stopping = asyncio.create_task(consumer.stop())
    try:
        await asyncio.wait([stopping])
    except asyncio.CancelledError:
        stopping.cancel()
        raise
    if stopping.cancelled():
        await consumer._client.close()  # noqa: SLF001 - what `stop` left undone
    else:
        stopping.result()
