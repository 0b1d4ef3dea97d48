"""Links, codes and domains in Redis, by redis-py. `edge/codes.py` has the layout."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from edge.codes import DOMAINS_KEY, LAST_NUMBER_KEY, LAST_TAG_KEY, id_key, link_key
from edge.links import DOCUMENT_FIELD, EdgeLink
from edge.linkstore import LinkStore, LinkStoreUnavailableError
from edge.redis_codes import Command, RedisCodes
from edge.settings import PREFIX, SettingsError

TIMEOUT_S: Final = 2
DEADLINE_S: Final = 3  # of commands with their second try
CONNECTIONS: Final = 16

RAISE_NUMBER: Final = b"""
if tonumber(redis.call('GET', KEYS[1]) or '-1') < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1])
end
"""

# A host keeps its first tag for ever: its codes stand under it.
PUT_DOMAIN: Final = b"""
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and cjson.decode(known).tag ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""


def open_link_store(url: str) -> LinkStore:
    """The link store at `redis://`, `rediss://` or `unix://`. Connects when first used.

    Raises `SettingsError` where the URL is none of these or does not parse.
    """
    if url.startswith("redis+cluster://"):
        raise SettingsError(f"{PREFIX}REDIS_URL: redis+cluster:// is not supported yet; use redis://")
    try:
        return RedisLinkStore(url)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}REDIS_URL: {error}") from None


class RedisLinkStore:
    """The `LinkStore` of one Redis server. Owns its connections."""

    def __init__(self, url: str) -> None:
        self._pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),  # one more try: a restarted Redis leaves stale connections behind
        )
        self._redis = Redis(connection_pool=self._pool)
        self._running: set[asyncio.Task[list[Any]]] = set()
        self._codes = RedisCodes(self._run)
        self._tags: dict[str, str] = {}  # of hosts with a document: such a tag never changes

    async def ping(self) -> None:
        await self._run([(b"PING",)])

    async def next_number(self) -> int:
        [number] = await self._run([(b"INCR", LAST_NUMBER_KEY)])
        return int(number)

    async def raise_number(self, at_least: int) -> None:
        await self._run([(b"EVAL", RAISE_NUMBER, 1, LAST_NUMBER_KEY, at_least)])

    async def put_link(self, link_id: str, number: int, link: EdgeLink | None, document: bytes) -> None:
        fields = {DOCUMENT_FIELD: document} | (link.to_fields() if link is not None else {})
        arguments = (part for field in fields.items() for part in field)
        key, public_id = link_key(number), link_id.encode()
        await self._run(
            [
                (b"DEL", key),
                (b"HSET", key, *arguments),
                (b"HSET", id_key(public_id), public_id, number),
            ],
            atomic=True,
        )

    async def get_document(self, link_id: str) -> tuple[int, bytes] | None:
        public_id = link_id.encode()
        [number] = await self._run([(b"HGET", id_key(public_id), public_id)])
        if number is None:
            return None
        [document] = await self._run([(b"HGET", link_key(int(number)), DOCUMENT_FIELD)])
        return None if document is None else (int(number), document)

    async def delete_link(self, link_id: str, number: int) -> None:
        public_id = link_id.encode()
        await self._run([(b"DEL", link_key(number)), (b"HDEL", id_key(public_id), public_id)], atomic=True)

    async def claim_codes(self, domain_tag: str, codes: Sequence[str], number: int) -> list[int]:
        return await self._codes.claim(domain_tag, codes, number)

    async def resolve(self, domain_tag: str, code: str) -> int | None:
        return await self._codes.find(domain_tag, code)

    async def release_codes(self, domain_tag: str, codes: Sequence[str]) -> None:
        await self._codes.release(domain_tag, codes)

    async def make_room(self) -> int:
        return await self._codes.make_room()

    async def is_empty(self) -> bool:
        [found] = await self._run([(b"EXISTS", LAST_NUMBER_KEY)])
        return not found

    async def next_domain_tag(self) -> str:
        [number] = await self._run([(b"INCR", LAST_TAG_KEY)])
        return f".{number}"

    async def put_domain(self, host: str, tag: str, document: bytes) -> bool:
        number = int(tag.removeprefix(".") or "0")
        [is_put, _] = await self._run(
            [
                (b"EVAL", PUT_DOMAIN, 1, DOMAINS_KEY, host.encode(), tag.encode(), document),
                (b"EVAL", RAISE_NUMBER, 1, LAST_TAG_KEY, number),
            ]
        )
        if is_put:
            self._tags[host] = tag
        return bool(is_put)

    async def domains(self) -> dict[str, bytes]:
        [documents] = await self._run([(b"HGETALL", DOMAINS_KEY)])
        return {host.decode(): document for host, document in documents.items()}

    async def domain_tag(self, host: str) -> str:
        tag = self._tags.get(host)
        if tag is None:
            [document] = await self._run([(b"HGET", DOMAINS_KEY, host.encode())])
            if document is None:
                return ""
            tag = self._tags[host] = str(orjson.loads(document)["tag"])
        return tag

    async def fields(self, number: int) -> Mapping[bytes, bytes]:
        [fields] = await self._run([(b"HGETALL", link_key(number))])
        return dict(fields)

    async def close(self) -> None:
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._pool.disconnect()

    async def _run(self, commands: Sequence[Command], *, atomic: bool = False) -> list[Any]:
        """Replies to the commands, sent in one write. The one way to Redis, and its errors become ours here.

        A caller that is cancelled or has waited long enough leaves its commands running: a connection given
        back with a reply under way would hand that reply to the next caller.
        """
        task = asyncio.create_task(self._send(commands, atomic=atomic))
        self._running.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait([task], timeout=DEADLINE_S)
        if not done:
            raise LinkStoreUnavailableError(f"Redis: no answer within {DEADLINE_S} s")
        return task.result()

    def _forget(self, task: asyncio.Task[list[Any]]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen, though its caller may be gone

    async def _send(self, commands: Sequence[Command], *, atomic: bool) -> list[Any]:
        try:
            async with self._redis.pipeline(transaction=atomic) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                replies: list[Any] = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise LinkStoreUnavailableError(f"Redis: {error}") from error
        return replies
