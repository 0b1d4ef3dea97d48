"""`Location` can't be bent: whatever bytes stand in Redis, an answer has the headers that it should."""

import random

import pytest
from redis.asyncio import Redis

from edge.codes import link_key
from edge.misses import Misses
from tests.edge.conftest import Edge
from tests.fixtures.redis import RedisServer

HOSTILE = (
    b"https://e.com/\r\nSet-Cookie: a=b",
    b"https://e.com/\r\n\r\n<script>",
    b"https://e.com/\nX: y",
    b"https://e.com/\rX: y",
    b"\r\n",
    b"https://e.com/\x00",
    b"https://e.com/\x0b\x0c",
    b"https://e.com/\x85\xe2\x80\xa8",
    b"https://e.com/ HTTP/1.1",
    b"\xff\xfe",
    b" https://e.com/",
    b"https://e.com/\t",
    b"",
)
URL_FIELDS = (b"destination", b"ios", b"android", b"expired_url")
HEADERS = ["Location", "Cache-Control", "X-Robots-Tag", "Content-Length", "Date", "Server"]
PHONES = ("Mozilla/5.0 (iPhone)", "Mozilla/5.0 (Linux; Android 15)", "Mozilla/5.0")
LINKS = 300


def hostile_bytes(chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        return chance.choice(HOSTILE)
    return b"https://e.com/" + chance.randbytes(chance.randrange(8))


async def test_stored_bytes_are_sent_whole_or_not_at_all(
    edge: Edge, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Misses, "miss", lambda *_: 0.0)
    chance = random.Random(7)
    async with Redis.from_url(redis_server.url) as redis:
        for number in range(1, LINKS + 1):
            code = b"code%04d" % number
            fields = {b"destination": b"https://e.com/", b"tenant": b"t", b"code": code}
            for name in chance.sample(URL_FIELDS, chance.randrange(1, 4)):
                fields[name] = hostile_bytes(chance)
            if chance.random() < 0.3:
                fields[b"expires_at"] = b"1"
            if chance.random() < 0.3:
                fields[b"forward_query"] = b"1"
            await redis.hset(link_key(number), mapping=fields)
            await edge.store.claim_codes("", [code.decode()], number)

            query = chance.choice(("", "?a=1", "?%0d%0aX:%20y", '?"<>\\', "?a#b"))
            for phone in PHONES:
                reply = await edge.get(f"/{code.decode()}{query}", User_Agent=phone)
                assert reply.status in {302, 404, 410}, fields
                if reply.status != 302:
                    continue
                assert list(reply.headers) == HEADERS, fields
                assert reply.raw.count(b"\r\n") == len(HEADERS) + 2
                location = reply.location.encode("latin-1")
                assert any(location.startswith(fields.get(name, b"\0")) for name in URL_FIELDS)
                assert all(0x21 <= byte <= 0x7E for byte in location)
            if chance.random() < 0.9:
                await redis.delete(link_key(number))
