"""SASL and TLS with a real broker, and what is said where they are set wrong."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from ingest.kafka.address import CLICKS_TOPIC, parse_address
from ingest.kafka.errors import BusUnavailableError
from ingest.kafka.topics import ensure_topics
from tests.kafka.reading import read_topic
from tests.kafka.secured import SecuredKafka, secured_kafka
from tests.maven_jars import JarsUnavailableError

pytestmark = pytest.mark.needs_kafka


@pytest.fixture(scope="module")
def secured() -> Iterator[SecuredKafka]:
    with tempfile.TemporaryDirectory(prefix="kafka-", dir="/tmp") as folder:
        try:
            with secured_kafka(Path(folder)) as kafka:
                yield kafka
        except JarsUnavailableError as error:
            pytest.skip(str(error))


@pytest.mark.parametrize("way", ["SCRAM-SHA-512", "PLAIN", "certificate"])
async def test_events_go_in_and_out(secured: SecuredKafka, way: str) -> None:
    prefix = f"{way.lower()}."
    sasl = {"sasl": way, "prefix": prefix}
    url = secured.mutual_url(prefix=prefix) if way == "certificate" else secured.sasl_url(**sasl)
    address = parse_address(url)
    [topic] = await ensure_topics(address, [CLICKS_TOPIC])
    producer = AIOKafkaProducer(**address.client_options(), acks="all", enable_idempotence=True)
    await producer.start()
    await producer.send_and_wait(topic.name, b"{}", partition=0)
    await producer.stop()
    assert (await read_topic(url, CLICKS_TOPIC))[0] == [b"{}"]


@pytest.mark.parametrize(
    ("mistake", "advice"),
    [
        ("password", "user or password is wrong for SCRAM-SHA-512"),
        ("password of PLAIN", "user or password is wrong for PLAIN"),
        ("mechanism", "choose another by sasl"),
        ("authority", "name the file of the authority that signed it by tls_ca"),
        ("no certificate", "a certificate of ours"),
        ("no TLS", "is it a port for PLAINTEXT?"),
        ("port", "nothing listens there"),
    ],
)
async def test_a_mistake_is_told_with_what_to_do(secured: SecuredKafka, mistake: str, advice: str) -> None:
    url = {
        "password": secured.sasl_url(password="wr0ng-secret"),
        "password of PLAIN": secured.sasl_url(password="wr0ng-secret", sasl="PLAIN"),
        "mechanism": secured.sasl_url(sasl="SCRAM-SHA-256"),
        "authority": secured.sasl_url(ca="strange"),
        "no certificate": secured.mutual_url(with_certificate=False),
        "no TLS": f"kafka://127.0.0.1:{secured.mutual_port}",
        "port": "kafka://127.0.0.1:1",
    }[mistake]
    with pytest.raises(BusUnavailableError) as refused:
        await ensure_topics(parse_address(url), [CLICKS_TOPIC])
    assert advice in str(refused.value)
    assert "EVENTS_URL" in str(refused.value)
    assert "wr0ng-secret" not in str(refused.value)
