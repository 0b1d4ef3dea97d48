"""Recipients streamed in over a real Kafka: how many get their codes a second from one api process.

    .venv/bin/python -m loadtests.link_commands [recipients]

Measured from the first `recipients.add` command of 1,000 that is sent to the last result. Then every
recipient must have one code of its own, on which the results, Redis and the catalogue agree. The api has one
core; Redis, Kafka and the ClickHouse server have the other.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from aggregator.contract import migrate
from edge.contract import open_link_store
from ingest.contract import LINK_RESULTS_TOPIC, LINKS_TOPIC, ensure_topics, open_warehouse
from ingest.contract import parse_kafka_address as parse_address
from loadtests.processes import cpu_s
from tests.fixtures.redis import RedisServer
from tests.fixtures.warehouse import clickhouse_server
from tests.kafka.cluster import kafka_cluster
from tests.kafka.reading import read_topic

LINKS: Final = 8
A_COMMAND: Final = 1_000
WITHIN_S: Final = 200
PORTS: Final = {"API": 18600, "METRICS": 18700}
GOAL: Final = 100_000
API_CORE, OTHERS = {0}, {1}


async def send_links(url: str) -> None:
    """Commands that make the links."""
    await _send(url, [(b"%d" % at, _create(at)) for at in range(LINKS)])


def recipient_commands(recipients: int) -> list[tuple[bytes, bytes]]:
    """Key and value of the commands for so many recipients, links in turns."""
    return [
        (b"%d" % (at % LINKS), _add(at, at % LINKS, range(at * A_COMMAND, (at + 1) * A_COMMAND)))
        for at in range(recipients // A_COMMAND)
    ]


async def _send(url: str, commands: list[tuple[bytes, bytes]]) -> None:
    address = parse_address(url)
    producer = AIOKafkaProducer(**address.client_options())
    await producer.start()
    sent = [
        await producer.send(address.prefix + LINKS_TOPIC, value, key=key, partition=int(key) % 8)
        for key, value in commands
    ]
    await asyncio.gather(*sent)
    await producer.stop()


def _create(at: int) -> bytes:
    link = {"destination_url": "https://www.example.com/", "external_id": f"campaign-{at}"}
    return orjson.dumps({"type": "link.create", "id": f"make-{at}", "tenant": "default", "link": link})


def _add(at: int, link: int, numbers: range) -> bytes:
    recipients = [{"recipient": f"+4477{number:09d}"} for number in numbers]
    command = {"type": "recipients.add", "id": f"add-{at}", "tenant": "default"}
    return orjson.dumps(command | {"external_id": f"campaign-{link}", "recipients": recipients})


class Results:
    """The topic of results, by its end offsets."""

    def __init__(self, url: str) -> None:
        address = parse_address(url)
        topic = address.prefix + LINK_RESULTS_TOPIC
        self._partitions = [TopicPartition(topic, number) for number in range(address.partitions)]
        self._consumer = AIOKafkaConsumer(**address.client_options())

    async def start(self) -> None:
        await self._consumer.start()
        self._consumer.assign(self._partitions)

    async def count(self) -> int:
        return sum((await self._consumer.end_offsets(self._partitions)).values())

    async def wait_for(self, count: int) -> int:
        """The count once it is at least that."""
        async with asyncio.timeout(WITHIN_S):
            while (now := await self.count()) < count:  # noqa: ASYNC110 - offsets have no event to wait on
                await asyncio.sleep(0.02)
        return now

    async def close(self) -> None:
        await self._consumer.stop()


@contextmanager
def running_api(environment: dict[str, str], log: Path) -> Iterator[int]:
    """The api program, by its process id."""
    with log.open("ab") as output:
        command = [sys.executable, "-m", "api"]
        with Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output) as process:
            os.sched_setaffinity(process.pid, API_CORE)
            try:
                yield process.pid
            finally:
                process.terminate()


async def measure(
    url: str, environment: dict[str, str], log: Path, recipients: int, others: Mapping[str, int]
) -> tuple[float, dict[str, float]]:
    """Recipients a second, and the CPU in µs that each program spent on each; `others` by process id."""
    await ensure_topics(parse_address(url), [LINKS_TOPIC, LINK_RESULTS_TOPIC])
    await send_links(url)
    results = Results(url)
    await results.start()
    commands = recipient_commands(recipients)
    with running_api(environment, log) as api:
        programs = {"api": api, **others}
        await results.wait_for(LINKS)
        before = {name: cpu_s(pid) for name, pid in programs.items()}
        began_s = time.perf_counter()
        await _send(url, commands)
        await results.wait_for(LINKS + len(commands))
        took_s = time.perf_counter() - began_s
        cpu_us = {name: (cpu_s(pid) - before[name]) / recipients * 1e6 for name, pid in programs.items()}
    await results.close()
    return recipients / took_s, cpu_us


async def count_wrong(url: str, redis_url: str, warehouse: Any, recipients: int) -> int:
    """Recipients without exactly one code that the results, Redis and the catalogue agree on."""
    codes: dict[str, str] = {}
    for values in (await read_topic(url, LINK_RESULTS_TOPIC)).values():
        for value in values:
            for each in orjson.loads(value).get("codes", ()):
                codes[each["recipient"]] = each["code"]
    rows = warehouse.query("SELECT recipient, code FROM codes")
    stored = dict(rows)
    store = open_link_store(redis_url)
    sample = list(codes.values())[:: max(1, len(codes) // 1_000)]
    unresolved = [code for code in sample if await store.resolve("", code) is None]
    await store.close()
    unlike = sum(stored.get(recipient) != code for recipient, code in codes.items())
    return abs(recipients - len(set(codes.values()))) + unlike + len(rows) - len(stored) + len(unresolved)


def main() -> int:
    recipients = int(sys.argv[1]) if len(sys.argv) > 1 else 800_000
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="link-", dir="/tmp")))
        os.sched_setaffinity(0, OTHERS)  # what is started now inherits it
        kafka = stack.enter_context(kafka_cluster(folder))
        (folder / "warehouse").mkdir()
        warehouse_url, server = stack.enter_context(clickhouse_server(folder / "warehouse"))
        redis = RedisServer(folder)
        redis.start()
        stack.callback(redis.stop)
        warehouse = open_warehouse(warehouse_url, folder=folder)
        stack.callback(warehouse.close)
        migrate(warehouse)
        environment = {
            **{f"SMARTLINKS_{name}_PORT": str(port) for name, port in PORTS.items()},
            "SMARTLINKS_DATA_DIR": str(folder / "var"),
            "SMARTLINKS_REDIS_URL": redis.url,
            "SMARTLINKS_EVENTS_URL": kafka.url,
            "SMARTLINKS_CLICKHOUSE_URL": warehouse_url,
        }
        others = {"kafka": kafka.brokers[0].pid, "warehouse": server.pid, "redis": redis.pid}
        rate, cpu_us = asyncio.run(measure(kafka.url, environment, folder / "log", recipients, others))
        wrong = asyncio.run(count_wrong(kafka.url, redis.url, warehouse, recipients))
    print(f"{rate:,.0f} recipients a second, at least {GOAL:,}: {'met' if rate >= GOAL else 'MISSED'}")
    print("µs of CPU a recipient:", ", ".join(f"{name} {each:.1f}" for name, each in cpu_us.items()))
    print(f"wrong, missing or twice: {wrong}")
    return 0 if rate >= GOAL and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
