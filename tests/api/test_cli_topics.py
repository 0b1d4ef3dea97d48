"""`smartlinks topics` on a real Kafka, and on none."""

import pytest

from tests.api.command import run, run_json

NOWHERE = "http://127.0.0.1:1"  # the command asks Kafka, not the API


@pytest.mark.needs_kafka
async def test_topics_are_made_and_listed(kafka_url: str) -> None:
    prefix = kafka_url.partition("prefix=")[2]
    listed = await run_json(NOWHERE, "topics", "--events-url", f"{kafka_url}&partitions=3&retention_hours=72")
    topics = {topic["name"].removeprefix(prefix): topic for topic in listed["topics"]}
    assert set(topics) == {
        "smartlinks.clicks.v1",
        "smartlinks.clicks.v1.dlq",
        "smartlinks.links.v1",
        "smartlinks.links.v1.dlq",
        "smartlinks.links.results.v1",
    }
    assert {(each["partitions"], each["retention_ms"]) for each in topics.values()} == {(3, 72 * 3_600_000)}
    assert not any(each["remarks"] for each in topics.values())
    code, output, _ = await run(NOWHERE, "topics", "--events-url", f"{kafka_url}&partitions=4")
    assert code == 1
    assert "it has fewer partitions than 4" in output


async def test_a_kafka_that_is_not_there_is_told() -> None:
    code, _, errors = await run(NOWHERE, "topics", "--events-url", "kafka://127.0.0.1:1")
    assert code == 1
    assert "nothing listens there" in " ".join(errors.split())
