"""Two api processes on one Redis, one warehouse and one Kafka: of what both do at once, one thing comes."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.api.conftest import NewProgram
from tests.api.processes import ON_CLICKHOUSE, Program
from tests.api.test_link_stream import Campaigns, campaigns, command, create

__all__ = ["campaigns"]

pytestmark = pytest.mark.needs_kafka
RECIPIENTS = [f"+4477009{at:05}" for at in range(1_000)]
CHANGES = 20


@pytest.fixture
def two(campaigns: Campaigns, new_program: NewProgram) -> Iterator[list[Program]]:
    """Both are in one group of consumers."""
    programs = [new_program(SMARTLINKS_EVENTS_URL=campaigns.url) for _ in range(2)]
    with ExitStack() as stack:
        for program in programs:
            stack.enter_context(program.life(*ON_CLICKHOUSE))
        yield programs


async def test_recipients_minted_by_both_and_by_the_bus_have_one_code_each(
    two: list[Program], campaigns: Campaigns
) -> None:
    async with two[0].connect() as first, two[1].connect() as second:
        link = {"destination_url": "https://www.example.com/", "external_id": "crm-1"}
        link_id = (await first.post("/v1/links", json=link)).raise_for_status().json()["id"]
        path = f"/v1/links/{link_id}/recipients"
        recipients = [{"recipient": each} for each in RECIPIENTS]
        parts = [recipients, recipients[::-1], *(recipients[start : start + 250] for start in (0, 375, 750))]
        answers, *_ = await asyncio.gather(
            asyncio.gather(
                *(
                    client.post(path, json={"recipients": part})
                    for part in parts
                    for client in (first, second)
                )
            ),
            campaigns.send(
                *(command(f"r{at}", "recipients.add", external_id="crm-1", recipients=part)
                  for at, part in enumerate(parts))
            ),
        )  # fmt: skip
    told: defaultdict[str, set[str]] = defaultdict(set)
    results = await campaigns.wait_for(*(f"r{at}" for at in range(len(parts))))
    minted: list[dict[str, Any]] = [
        *(each for answer in answers for each in answer.raise_for_status().json()["data"]),
        *(each for parts in results.values() for part in parts for each in part["codes"]),
    ]
    for each in minted:
        told[each["recipient"]].add(each["code"])
    assert {recipient: len(codes) for recipient, codes in told.items()} == dict.fromkeys(RECIPIENTS, 1)
    assert len({code for codes in told.values() for code in codes}) == len(RECIPIENTS)


async def test_changes_by_both_and_by_the_bus_follow_each_other(
    two: list[Program], campaigns: Campaigns
) -> None:
    await campaigns.send(create("make", external_id="crm-1"))
    link_id = (await campaigns.wait_for("make"))["make"][0]["link"]["id"]
    async with two[0].connect() as first, two[1].connect() as second:
        answers, _ = await asyncio.gather(
            asyncio.gather(
                *(
                    (first, second)[at % 2].patch(f"/v1/links/{link_id}", json={"name": f"{at}"})
                    for at in range(CHANGES)
                )
            ),
            campaigns.send(
                *(command(f"u{at}", "link.update", link_id=link_id, link={"campaign": f"{at}"})
                  for at in range(CHANGES))
            ),
        )  # fmt: skip
        results = await campaigns.wait_for(*(f"u{at}" for at in range(CHANGES)))
        assert {answer.status_code for answer in answers} == {200}
        assert {each["status"] for parts in results.values() for each in parts} == {"done"}
        links = [(await client.get(f"/v1/links/{link_id}")) for client in (first, second)]
    assert links[0].json() == links[1].json()
    assert links[0].headers["ETag"].strip('W/"') == str(2 * CHANGES + 1), "each change is there, once"
