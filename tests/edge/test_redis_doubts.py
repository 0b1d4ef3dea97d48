"""After the first doubt nothing more of a connection to Redis is taken, and its owner is told of it once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from edge.redis_pipeline import RedisPipeline
from tests.edge.test_lane import Wire

DOUBTS = {
    "an error": b"-ERR no\r\n",
    "news of another kind": b">2\r\n$7\r\nmessage\r\n$1\r\na\r\n",
    "no news at all": b">1\r\n$10\r\ninvalidate\r\n",
    "no bytes of Redis": b"\x00\r\n",
}


class Owner:
    """What a pipeline told it, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_invalidated(self, keys: Sequence[bytes] | None) -> None:
        self.told.append(f"news of {keys}")

    def on_replies_read(self, waited_s: float) -> None: ...

    def on_lost(self, reason: str) -> None:
        self.told.append("lost")


@pytest.fixture
async def asked() -> tuple[RedisPipeline, Owner, Wire, list[tuple[bytes, Any]]]:
    """A pipeline whose owner waits for two replies, to one write; and what it got."""
    owner, wire = Owner(), Wire()
    got: list[tuple[bytes, Any]] = []
    pipeline = RedisPipeline(owner, asyncio.get_running_loop())
    wire.protocol = pipeline  # type: ignore[assignment] # whose `connection_lost` it calls
    pipeline.connection_made(wire)
    pipeline.send_many(b"", lambda keys, replies: got.extend(zip(keys, replies, strict=True)), [b"a", b"b"])
    return pipeline, owner, wire, got


@pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)
@pytest.mark.parametrize("is_cut", [False, True])
async def test_nothing_is_taken_behind_a_doubt(
    asked: tuple[RedisPipeline, Owner, Wire, list[tuple[bytes, Any]]], doubt: bytes, *, is_cut: bool
) -> None:
    pipeline, owner, wire, got = asked
    replies = b"$1\r\n1\r\n", doubt, b"$1\r\n2\r\n", b">2\r\n$10\r\ninvalidate\r\n*1\r\n$6\r\nlink:1\r\n"
    for data in replies if is_cut else (b"".join(replies),):
        pipeline.data_received(data)
    await asyncio.sleep(0)
    assert got in ([(b"a", b"1")], [])
    assert owner.told == ["lost"]
    assert wire.is_closing()


async def test_a_reply_that_nobody_waits_for_is_a_doubt(
    asked: tuple[RedisPipeline, Owner, Wire, list[tuple[bytes, Any]]],
) -> None:
    pipeline, owner, wire, got = asked
    pipeline.data_received(b"$1\r\n1\r\n$1\r\n2\r\n")
    assert owner.told == []
    pipeline.data_received(b"$1\r\n3\r\n")
    await asyncio.sleep(0)
    assert got == [(b"a", b"1"), (b"b", b"2")]
    assert owner.told == ["lost"]
    assert wire.is_closing()
