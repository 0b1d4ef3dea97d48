"""Links, codes and domains in Redis, by redis-py. `edge/codes.py` has the layout."""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from edge.codes import SHARED_KEYS, SharedKeys, id_key, link_key
from edge.links import DOCUMENT_FIELD, EdgeLink
from edge.linkstore import LinkStoreUnavailableError
from edge.redis_codes import RedisCodes
from edge.redis_connection import RedisConnection

RAISE_NUMBER: Final = b"""
if tonumber(redis.call('GET', KEYS[1]) or '-1') < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1])
end
"""

# Numbers begin anew in an emptied Redis: none is given or raised there until it is restored.
_NEXT_NUMBER: Final = b"return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('INCR', KEYS[1]) or -1"
_RAISE_KNOWN_NUMBER: Final = b"if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end\n" + RAISE_NUMBER

# A host keeps its first tag for ever: its codes stand under it.
PUT_DOMAIN: Final = b"""
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and cjson.decode(known).tag ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""


class RedisLinkStore:
    """The `LinkStore` of one Redis server. Owns the connection."""

    def __init__(self, connection: RedisConnection, keys: SharedKeys = SHARED_KEYS) -> None:
        self._connection = connection
        self._run = connection.run
        self._keys = keys
        self._codes = RedisCodes(self._run)
        self._tags: dict[str, str] = {}  # of hosts with a document: such a tag never changes

    async def ping(self) -> None:
        await self._run([(b"PING",)])

    async def next_number(self) -> int:
        [number] = await self._run([(b"EVAL", _NEXT_NUMBER, 1, self._keys.last_number)])
        if number == -1:
            raise not_whole()
        return int(number)

    async def raise_number(self, at_least: int) -> None:
        [answer] = await self._run([(b"EVAL", _RAISE_KNOWN_NUMBER, 1, self._keys.last_number, at_least)])
        if answer == -1:
            raise not_whole()

    async def put_link(self, link_id: str, number: int, link: EdgeLink | None, document: bytes) -> None:
        arguments = link_arguments(link, document)
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
        [found] = await self._run([(b"EXISTS", self._keys.last_number)])
        return not found

    async def is_whole(self) -> bool:
        return not await self.is_empty()

    async def mark_whole(self, highest_number: int) -> None:
        await self._run([(b"EVAL", RAISE_NUMBER, 1, self._keys.last_number, highest_number)])

    async def restore_link(self, link_id: str, number: int, link: EdgeLink | None, document: bytes) -> None:
        await self.put_link(link_id, number, link, document)

    async def restore_codes(self, domain_tag: str, codes: Sequence[str], number: int) -> None:
        await self._codes.claim(domain_tag, codes, number)

    async def next_domain_tag(self) -> str:
        [number] = await self._run([(b"INCR", self._keys.last_tag)])
        return f".{number}"

    async def put_domain(self, host: str, tag: str, document: bytes) -> bool:
        number = int(tag.removeprefix(".") or "0")
        [is_put, _] = await self._run(
            [
                (b"EVAL", PUT_DOMAIN, 1, self._keys.domains, host.encode(), tag.encode(), document),
                (b"EVAL", RAISE_NUMBER, 1, self._keys.last_tag, number),
            ]
        )
        if is_put:
            self._tags[host] = tag
        return bool(is_put)

    async def domains(self) -> dict[str, bytes]:
        [documents] = await self._run([(b"HGETALL", self._keys.domains)])
        return {host.decode(): document for host, document in documents.items()}

    async def domain_tag(self, host: str) -> str:
        tag = self._tags.get(host)
        if tag is None:
            [document] = await self._run([(b"HGET", self._keys.domains, host.encode())])
            if document is None:
                return ""
            tag = self._tags[host] = str(orjson.loads(document)["tag"])
        return tag

    async def fields(self, number: int) -> Mapping[bytes, bytes]:
        [fields] = await self._run([(b"HGETALL", link_key(number))])
        return dict(fields)

    async def close(self) -> None:
        await self._connection.close()


def link_arguments(link: EdgeLink | None, document: bytes) -> list[bytes]:
    """Field, value, field ... of the link's hash."""
    fields = {DOCUMENT_FIELD: document} | (link.to_fields() if link is not None else {})
    return [part for field in fields.items() for part in field]


def not_whole() -> LinkStoreUnavailableError:
    return LinkStoreUnavailableError("Redis lost its data, or some of it, and is being filled again")
