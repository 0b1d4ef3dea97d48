"""Changes of links are told of, each once, whatever the clocks of the aggregator and the warehouse say."""

import asyncio

import orjson
import pytest

from aggregator.contract import save_webhook
from aggregator.webhooks.cursors import move_link_cursor, read_clock_ms
from aggregator.webhooks.link_feed import LinkFeed
from ingest.contract import Warehouse
from tests.aggregator.webhooks.conftest import SECRET, Hooks, put_link, webhook
from tests.fixtures.receiver import Receiver

LATER_MS = 1_000
HOUR_MS = 3_600_000
EVENTS = ("link.created", "link.updated", "link.deleted")


def put_late_change(warehouse: Warehouse, number: int, before_ms: int) -> None:
    """A change that becomes visible now, and was stamped so long before."""
    warehouse.command(
        "INSERT INTO link_changes (tenant, number, version, id, stored_at)"
        " VALUES ('acme', {number:UInt64}, 1, 'lnk', fromUnixTimestamp64Milli({stored_at:Int64}, 'UTC'))",
        {"number": number, "stored_at": read_clock_ms(warehouse) - before_ms},
    )


def begin_again(hooks: Hooks, cursor_ms: int) -> None:
    """Another life of the feed, after one that had looked up to here."""
    hooks.warehouse.command("TRUNCATE TABLE webhook_cursors")
    move_link_cursor(hooks.warehouse, cursor_ms)
    hooks.link_feed = LinkFeed(hooks.warehouse)


def told_links(receiver: Receiver) -> list[int]:
    """Whom of, in order; deliveries' ids tell links by their numbers."""
    return [int(received.id.split("_")[2], 16) for received in receiver.received]


async def test_changes_of_links_are_told_in_order(hooks: Hooks, receiver: Receiver) -> None:
    save_webhook(hooks.warehouse, webhook(receiver.url, *EVENTS))
    for version, deleted in ((1, False), (2, False), (3, True)):
        put_link(hooks.warehouse, 7, version, deleted=deleted)
        await hooks.run()
        await hooks.run()
    bodies = [received.verify(SECRET) for received in receiver.received]
    assert [body["type"] for body in bodies] == list(EVENTS)
    assert {body["data"]["link_id"] for body in bodies} == {"lnk_7"}
    assert bodies[0]["data"]["short_url"] == "https://s.example.com/Spring7"
    assert orjson.loads(receiver.received[2].body)["data"] == {"link_id": "lnk_7"}


@pytest.mark.parametrize("ahead_ms", [-HOUR_MS, 10_000, 15_000, HOUR_MS])
async def test_the_aggregators_clock_says_nothing_of_what_is_news(
    hooks: Hooks, receiver: Receiver, ahead_ms: int
) -> None:
    save_webhook(hooks.warehouse, webhook(receiver.url, *EVENTS))
    hooks.at_ms += ahead_ms
    begin_again(hooks, read_clock_ms(hooks.warehouse) - HOUR_MS)
    await hooks.run()
    put_link(hooks.warehouse, 1)
    await hooks.run()
    put_late_change(hooks.warehouse, 2, LATER_MS)
    await hooks.run()
    await hooks.run()
    # In the next life what was told by now stays told.
    hooks.link_feed = LinkFeed(hooks.warehouse)
    put_late_change(hooks.warehouse, 3, LATER_MS)
    await hooks.run()
    assert sorted(told_links(receiver)) == [1, 2, 3]


async def test_a_cursor_from_a_clock_that_was_ahead_hides_nothing(hooks: Hooks, receiver: Receiver) -> None:
    save_webhook(hooks.warehouse, webhook(receiver.url, *EVENTS))
    begin_again(hooks, read_clock_ms(hooks.warehouse) + HOUR_MS)
    for number in (1, 2):
        put_link(hooks.warehouse, number)
        await hooks.run()
    put_late_change(hooks.warehouse, 3, LATER_MS)
    await hooks.run()
    assert sorted(told_links(receiver)) == [1, 2, 3]


async def test_more_changes_of_one_moment_than_a_page_holds(
    hooks: Hooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.webhooks.link_feed.CHANGES_A_PAGE", 3)
    save_webhook(hooks.warehouse, webhook(receiver.url, *EVENTS))
    hooks.warehouse.command(
        "INSERT INTO link_changes (tenant, number, version, id, stored_at)"
        " SELECT 'acme', number + 1, 1, 'lnk', now64(3) FROM numbers(10)"
    )
    await hooks.run()
    # In place of a look that goes on where it was, which finds nothing that is new.
    for _ in range(5):
        await asyncio.to_thread(hooks.link_feed.feed, [webhook(receiver.url, *EVENTS)], hooks.at_ms)
    put_link(hooks.warehouse, 11)
    await hooks.run()
    await hooks.run()
    assert sorted(told_links(receiver)) == list(range(1, 12))
