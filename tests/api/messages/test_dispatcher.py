"""From the queue to the gateway: each message at least once, none lost, and what became of it stored."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from api.messages.dispatcher import GONE_AFTER_MS, Dispatcher
from api.messages.gateway import open_gateway
from api.messages.message import Fate, Message
from api.messages.metrics import MessageMetrics
from api.messages.queue import MessageQueue
from api.messages.store import MessageStore
from ingest.contract import Warehouse
from tests.api.messages.conftest import NOW_MS, MakeMessage
from tests.api.messages.receiver import Receiver


class Handover:
    """One life of a dispatcher, and what the warehouse says of its messages."""

    def __init__(self, warehouse: Warehouse, owner: str) -> None:
        self._warehouse = warehouse
        self.store = MessageStore(warehouse)
        self.queue = MessageQueue(owner)
        self.registry = CollectorRegistry()
        self.now_ms = NOW_MS

    def accept(self, *messages: Message) -> None:
        self.store.add(messages)
        self.queue.put(messages[0].tenant, [message.id for message in messages])

    def fate(self, message: Message) -> Fate | None:
        found = self.store.read(message.tenant, message.id)
        assert found is not None
        assert found[0] == message
        return found[1]

    async def wait_for(self, *messages: Message) -> list[Fate]:
        ids = {message.id for message in messages}
        async with asyncio.timeout(180):
            while True:
                rows = await asyncio.to_thread(self._warehouse.query, "SELECT id FROM message_statuses")
                if ids <= {message_id for (message_id,) in rows}:
                    return [fate for message in messages if (fate := self.fate(message))]
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def running(self, url: str) -> AsyncIterator[None]:
        gateway = open_gateway(url)
        dispatcher = Dispatcher(
            queue=self.queue,
            store=self.store,
            gateway=gateway,
            metrics=MessageMetrics(self.registry),
            clock=lambda: self.now_ms,
        )
        running = asyncio.create_task(dispatcher.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await gateway.close()


NewHandover = Callable[[str], Handover]


@pytest.fixture
def new_handover(warehouse: Warehouse) -> NewHandover:
    return lambda owner: Handover(warehouse, owner)


async def test_messages_end_as_the_gateway_says(
    new_handover: NewHandover, receiver: Receiver, make_message: MakeMessage
) -> None:
    async def answer(_request: web.Request, body: dict[str, Any]) -> web.Response:
        if body["content"] == "bad":
            return web.Response(status=400, text="no such number")
        return web.json_response({"id": "theirs"})

    receiver.answer = answer
    handover = new_handover("me")
    good, bad = make_message("good"), make_message("bad")
    late = make_message("late", expires_at_ms=NOW_MS)
    other = make_message("other tenant's", tenant="other")
    async with handover.running(receiver.url):
        handover.accept(good, bad, late)
        handover.accept(other)
        fates = await handover.wait_for(good, bad, late, other)
    assert [(fate.status, fate.gateway_id) for fate in fates] == [
        ("sent", "theirs"),
        ("failed", ""),
        ("expired", ""),
        ("sent", "theirs"),
    ]
    assert "no such number" in fates[1].reason
    assert sorted(body["content"] for body in receiver.got) == ["bad", "good", "other tenant's"]
    count = handover.registry.get_sample_value
    assert count("smartlinks_api_messages_finished_total", {"status": "sent"}) == 2
    assert count("smartlinks_api_messages_waiting") == 0


async def test_many_are_handed_over_at_once_but_not_too_many(
    new_handover: NewHandover, receiver: Receiver, make_message: MakeMessage
) -> None:
    ten_at_once = asyncio.Barrier(10)

    async def answer(_request: web.Request, _body: dict[str, Any]) -> web.Response:
        await ten_at_once.wait()
        return web.Response()

    receiver.answer = answer
    handover = new_handover("me")
    messages = [make_message(str(number)) for number in range(300)]
    async with handover.running(receiver.url):
        for at in range(0, 300, 10):
            handover.accept(*messages[at : at + 10])
        await handover.wait_for(*messages)
    assert sorted(receiver.keys) == sorted(message.id for message in messages)
    assert receiver.most_at_once == 10


async def test_one_that_the_gateway_can_not_take_holds_up_no_other_and_goes_later(
    new_handover: NewHandover, receiver: Receiver, make_message: MakeMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.messages.http_gateway.FIRST_PAUSE_S", 0.01)
    down = True

    async def answer(_request: web.Request, body: dict[str, Any]) -> web.Response:
        return web.Response(status=503 if body["content"] == "stuck" and down else 200)

    receiver.answer = answer
    handover = new_handover("me")
    stuck, good, later = make_message("stuck"), make_message("good"), make_message("later")
    async with handover.running(receiver.url):
        handover.accept(stuck, good)
        await handover.wait_for(good)
        handover.accept(later)
        await handover.wait_for(later)
        assert handover.fate(stuck) is None
        down = False
        (fate,) = await handover.wait_for(stuck)
    assert fate.status == "sent"
    assert receiver.keys.count(stuck.id) > 1
    assert set(receiver.keys) == {stuck.id, good.id, later.id}


async def test_what_a_dead_life_left_is_handed_over_by_the_next(
    new_handover: NewHandover, receiver: Receiver, make_message: MakeMessage
) -> None:
    messages = [make_message(str(number)) for number in range(5)]
    done, *left = messages
    new_handover("me").accept(*messages)
    new_handover("me").store.finish([Fate("default", done.id, "sent", NOW_MS)])
    foreign = make_message("another machine's", owner="another")
    outbox = make_message("nobody's", owner="")
    new_handover("another").accept(foreign)
    new_handover("").accept(outbox)
    handover = new_handover("me")
    async with handover.running(receiver.url):
        await handover.wait_for(*left)
    assert sorted(receiver.keys) == sorted(message.id for message in left)


async def test_what_a_lost_machine_left_is_handed_over_by_the_first_by_name(
    new_handover: NewHandover, receiver: Receiver, make_message: MakeMessage
) -> None:
    left = make_message("left", owner="lost")
    lost = new_handover("lost")
    lost.accept(left)
    lost.store.note_dispatcher("lost", NOW_MS - GONE_AFTER_MS - 1)
    second, first = new_handover("b"), new_handover("a")
    first.store.note_dispatcher("a", NOW_MS)
    async with second.running(receiver.url), first.running(receiver.url):
        await first.wait_for(left)
    assert receiver.keys == [left.id]
