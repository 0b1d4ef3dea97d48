"""Links, codes and domains in Redis, by redis-py. `edge/codes.py` has the layout."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from edge.codes import SHARED_KEYS, SharedKeys, id_key, link_key, mints_key
from edge.links import DOCUMENT_FIELD, EdgeLink
from edge.linkstore import GONE_VERSION, LinkEntry, LinkStoreUnavailableError, Mints
from edge.redis_codes import RedisCodes
from edge.redis_connection import Command, RedisConnection
from edge.redis_mints import BEGIN, END, FORGET_VOID, MINT_LEASE_S, READ

LINKS_A_SCRIPT: Final = 100  # some 2 ms, for which it holds up every redirect's look-up

RAISE_NUMBER: Final = b"""
if tonumber(redis.call('GET', KEYS[1]) or '-1') < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1])
end
"""

# Numbers begin anew in an emptied Redis: none is given or raised there until it is restored.
_NEXT_NUMBERS: Final = (
    b"return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('INCRBY', KEYS[1], ARGV[1]) or -1"
)
_RAISE_KNOWN_NUMBER: Final = b"if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end\n" + RAISE_NUMBER

# Whether the link at KEYS[link] may be put: ARGV[1] is the version, ARGV[2] the document.
IS_LATER: Final = b"""
local function is_later(link, version, document)
  local known = redis.call('HMGET', link, 'version', 'document')
  local difference = tonumber(version) - tonumber(known[1] or 0)
  return difference > 0 or (difference == 0 and known[2] == document)
end
"""
# KEYS: for each link its key and that of its id. ARGV: for each link its id, number, version, document, how
# many more arguments it has, and those: field, value, field ... A full Redis refuses a script at its first
# write, if that is one that takes memory, and never later.
_PUT: Final = (
    IS_LATER
    + b"""
local call, at, done = redis.call, 1, {}
for i = 1, #KEYS, 2 do
  local id, number, version, document = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local count = ARGV[at + 4]
  local holder = call('HGET', KEYS[i + 1], id)
  done[#done + 1] = 0
  if (not holder or holder == number) and is_later(KEYS[i], version, document) then
    call('HSET', KEYS[i + 1], id, number)
    call('DEL', KEYS[i])
    call('HSET', KEYS[i], 'version', version, 'document', document, unpack(ARGV, at + 5, at + 4 + count))
    done[#done] = 1
  end
  at = at + 5 + count
end
return done
"""
)
# KEYS: the link's, its id's and its mints'. ARGV: the id, the number, the version of what is gone.
_DELETE: Final = b"""
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('HSET', KEYS[1], 'version', ARGV[3])
if redis.call('HGET', KEYS[2], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[2], ARGV[1]) end
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
        [number] = await self.next_numbers(1)
        return number

    async def next_numbers(self, count: int) -> list[int]:
        [last] = await self._run([(b"EVAL", _NEXT_NUMBERS, 1, self._keys.last_number, count)])
        if last == -1:
            raise not_whole()
        return list(range(int(last) - count + 1, int(last) + 1))

    async def raise_number(self, at_least: int) -> None:
        [answer] = await self._run([(b"EVAL", _RAISE_KNOWN_NUMBER, 1, self._keys.last_number, at_least)])
        if answer == -1:
            raise not_whole()

    async def put_links(self, entries: Sequence[LinkEntry]) -> list[bool]:
        done: list[bool] = []
        for start in range(0, len(entries), LINKS_A_SCRIPT):
            part = entries[start : start + LINKS_A_SCRIPT]
            keys = [key for each in part for key in (link_key(each.number), id_key(each.link_id.encode()))]
            arguments = [argument for each in part for argument in _put_arguments(each)]
            [answers] = await self._run([(b"EVAL", _PUT, len(keys), *keys, *arguments)])
            done += map(bool, answers)
        return done

    async def put_link(
        self, link_id: str, number: int, link: EdgeLink | None, document: bytes, version: int = 1
    ) -> bool:
        [is_done] = await self.put_links([LinkEntry(link_id, number, version, link, document)])
        return is_done

    async def get_document(self, link_id: str) -> tuple[int, bytes] | None:
        [found] = await self.get_documents([link_id])
        return found

    async def get_documents(self, link_ids: Sequence[str]) -> list[tuple[int, bytes] | None]:
        ids = [link_id.encode() for link_id in link_ids]
        numbers = await self._get([(b"HGET", id_key(each), each) for each in ids])
        known = [int(number) for number in numbers if number is not None]
        documents = iter(await self._get([(b"HGET", link_key(each), DOCUMENT_FIELD) for each in known]))
        found = [None if number is None else (int(number), next(documents)) for number in numbers]
        return [each if each is not None and each[1] is not None else None for each in found]

    async def delete_link(self, link_id: str, number: int) -> None:
        public_id = link_id.encode()
        keys = (link_key(number), id_key(public_id), mints_key(number))
        await self._run([(b"EVAL", _DELETE, 3, *keys, public_id, number, GONE_VERSION)])

    async def claim_codes(self, domain_tag: str, codes: Sequence[str], number: int) -> list[int]:
        return await self.claim_codes_of(domain_tag, codes, [number] * len(codes))

    async def claim_codes_of(
        self, domain_tag: str, codes: Sequence[str], numbers: Sequence[int]
    ) -> list[int]:
        holders = await self.claim_new_codes(domain_tag, codes, numbers)
        return [holder or number for holder, number in zip(holders, numbers, strict=True)]

    async def claim_new_codes(
        self, domain_tag: str, codes: Sequence[str], numbers: Sequence[int]
    ) -> list[int]:
        return await self._codes.claim(domain_tag, codes, numbers)

    async def mints(self, number: int) -> Mints:
        version, *ids = await self._on_mints(READ, number, b"%d" % MINT_LEASE_S)
        under_way, void = (frozenset(each.decode() for each in some) for some in ids)
        return Mints(int(version), under_way, void)

    async def begin_mint(self, number: int, mint_id: str, follows: int, *, alone: bool = False) -> bool:
        arguments = (mint_id.encode(), b"%d" % follows, b"%d" % alone)
        return bool(await self._on_mints(BEGIN, number, *arguments))

    async def end_mint(self, number: int, mint_id: str) -> bool:
        return bool(await self._on_mints(END, number, mint_id.encode()))

    async def forget_void_mint(self, number: int, mint_id: str) -> None:
        await self._on_mints(FORGET_VOID, number, mint_id.encode())

    async def resolve(self, domain_tag: str, code: str) -> int | None:
        return await self._codes.find(domain_tag, code)

    async def release_codes(self, domain_tag: str, codes: Sequence[str]) -> None:
        await self._codes.release(domain_tag, codes)

    async def lay_out(self, codes: int) -> None:
        await self._codes.lay_out(codes)

    async def make_room(self) -> int:
        return await self._codes.make_room()

    async def is_empty(self) -> bool:
        [found] = await self._run([(b"EXISTS", self._keys.last_number)])
        return not found

    async def is_whole(self) -> bool:
        return not await self.is_empty()

    async def mark_whole(self, highest_number: int) -> None:
        await self._run([(b"EVAL", RAISE_NUMBER, 1, self._keys.last_number, highest_number)])

    async def restore_link(self, entry: LinkEntry) -> None:
        await self.put_links([entry])

    async def restore_codes(self, domain_tag: str, codes: Sequence[str], number: int) -> None:
        await self._codes.claim(domain_tag, codes, [number])

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

    async def _on_mints(self, script: bytes, number: int, *arguments: bytes) -> Any:
        [answer] = await self._run([(b"EVAL", script, 1, mints_key(number), *arguments)])
        return answer

    async def _get(self, commands: Sequence[Command]) -> list[Any]:
        return await self._run(commands) if commands else []


def link_arguments(link: EdgeLink | None) -> list[bytes]:
    """Field, value, field ... of what the edge needs of the link."""
    return [] if link is None else [part for field in link.to_fields().items() for part in field]


def _put_arguments(entry: LinkEntry) -> list[bytes | int]:
    fields = link_arguments(entry.link)
    return [entry.link_id.encode(), entry.number, entry.version, entry.document, len(fields), *fields]


def not_whole() -> LinkStoreUnavailableError:
    return LinkStoreUnavailableError("Redis lost its data, or some of it, and is being filled again")
