"""Links, codes and domains on a Redis Cluster. `edge/cluster_keys.py` says where they stand.

Scripts and transactions work within one slot, so a change that touches two slots is two writes, in an order
in which any crash between them is harmless; the link event behind it is applied again as a whole.

- A link is put under its number, at one stroke, before its id leads to it, and its codes are claimed after
  that. It is deleted before its id is forgotten.
- Codes are released before edges are told to forget what they have cached.

Every write first looks whether its group is whole, and changes nothing where it isn't: what a node has lost
only `restore_…` brings back, so that nothing that changes meanwhile is ever overwritten by what was before.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from edge.cluster_keys import (
    CLUSTER_SHARED_KEYS,
    GROUPS,
    WHOLE_KEYS,
    code_key,
    group_of_field,
    group_of_link,
    id_key,
    link_key,
)
from edge.links import DOCUMENT_FIELD, EdgeLink
from edge.redis_codes import code_fields
from edge.redis_connection import Command, RedisConnection
from edge.redis_store import RedisLinkStore, link_arguments, not_whole

COMMANDS_AT_A_TIME: Final = 2_000

# Of all: KEYS[1] is the group's marker.
_IF_WHOLE: Final = b"if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end\n"
_UNLESS_WHOLE: Final = b"if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end\n"
# KEYS[2]: the link's. ARGV: field, value, field ...
_REPLACE: Final = b"""
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], unpack(ARGV))
return 0
"""
# KEYS[2]: the hash. ARGV: field, value.
_SET: Final = b"redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) return 0"
# KEYS[2 ...]: the buckets. ARGV: the number, then a field for each bucket.
_CLAIM: Final = b"""
local holders = {}
for i = 2, #ARGV do
  if redis.call('HSETNX', KEYS[i], ARGV[i], ARGV[1]) == 1 then
    holders[i - 1] = ARGV[1]
  else
    holders[i - 1] = redis.call('HGET', KEYS[i], ARGV[i])
  end
end
return holders
"""
# KEYS[2 ...]: the keys. ARGV: a field for each, or "" for the key as a whole.
_REMOVE: Final = b"""
for i = 2, #KEYS do
  if ARGV[i - 1] == '' then redis.call('DEL', KEYS[i]) else redis.call('HDEL', KEYS[i], ARGV[i - 1]) end
end
return 0
"""


class RedisClusterLinkStore(RedisLinkStore):
    """The `LinkStore` of a cluster. Owns the connection."""

    def __init__(self, connection: RedisConnection) -> None:
        super().__init__(connection, CLUSTER_SHARED_KEYS)

    async def ping(self) -> None:
        await self.is_empty()

    async def put_link(self, link_id: str, number: int, link: EdgeLink | None, document: bytes) -> None:
        await self._put(_IF_WHOLE, link_id, number, link, document)

    async def restore_link(self, link_id: str, number: int, link: EdgeLink | None, document: bytes) -> None:
        await self._put(_UNLESS_WHOLE, link_id, number, link, document)

    async def get_document(self, link_id: str) -> tuple[int, bytes] | None:
        public_id = link_id.encode()
        group = group_of_field(public_id)
        number = await self._read(group, (b"HGET", id_key(public_id), public_id))
        if number is None:
            return None
        key = link_key(int(number))
        document = await self._read(group_of_link(int(number)), (b"HGET", key, DOCUMENT_FIELD))
        return None if document is None else (int(number), document)

    async def delete_link(self, link_id: str, number: int) -> None:
        public_id = link_id.encode()
        group = group_of_link(number)
        await self._write([_script(_IF_WHOLE + _REMOVE, group, [link_key(number)], [b""])])
        group = group_of_field(public_id)
        await self._write([_script(_IF_WHOLE + _REMOVE, group, [id_key(public_id)], [public_id])])

    async def claim_codes(self, domain_tag: str, codes: Sequence[str], number: int) -> list[int]:
        return await self._claim(_IF_WHOLE, code_fields(domain_tag, codes), number)

    async def restore_codes(self, domain_tag: str, codes: Sequence[str], number: int) -> None:
        await self._claim(_UNLESS_WHOLE, code_fields(domain_tag, codes), number)

    async def resolve(self, domain_tag: str, code: str) -> int | None:
        [field] = code_fields(domain_tag, [code])
        number = await self._read(group_of_field(field), (b"HGET", code_key(field), field))
        return None if number is None else int(number)

    async def release_codes(self, domain_tag: str, codes: Sequence[str]) -> None:
        fields = code_fields(domain_tag, codes)
        if not fields:
            return
        await self._write(
            [
                _script(_IF_WHOLE + _REMOVE, group, [code_key(fields[at]) for at in places],
                        [fields[at] for at in places])
                for group, places in _by_group(fields).items()
            ]
        )  # fmt: skip
        await self._run([(b"INCR", self._keys.releases)])

    async def make_room(self) -> int:
        """A cluster has room from the start: nothing is ever split."""
        return GROUPS

    async def is_whole(self) -> bool:
        found = await self._run([(b"EXISTS", key) for key in (self._keys.last_number, *WHOLE_KEYS)])
        return all(found)

    async def mark_whole(self, highest_number: int) -> None:
        await super().mark_whole(highest_number)
        await self._run([(b"SET", key, b"1") for key in WHOLE_KEYS])

    async def fields(self, number: int) -> Mapping[bytes, bytes]:
        [fields] = await self._run([(b"HGETALL", link_key(number))])
        return dict(fields)

    async def _put(
        self, condition: bytes, link_id: str, number: int, link: EdgeLink | None, document: bytes
    ) -> None:
        public_id = link_id.encode()
        script, arguments = condition + _REPLACE, link_arguments(link, document)
        await self._write([_script(script, group_of_link(number), [link_key(number)], arguments)])
        group = group_of_field(public_id)
        await self._write(
            [_script(condition + _SET, group, [id_key(public_id)], [public_id, b"%d" % number])]
        )

    async def _claim(self, condition: bytes, fields: Sequence[bytes], number: int) -> list[int]:
        """The holders in order; nothing for groups that `condition` leaves alone."""
        groups = _by_group(fields)
        holders = [0] * len(fields)
        answers = await self._write(
            [
                _script(condition + _CLAIM, group, [code_key(fields[at]) for at in places],
                        [b"%d" % number, *(fields[at] for at in places)])
                for group, places in groups.items()
            ]
        )  # fmt: skip
        for places, answer in zip(groups.values(), answers, strict=True):
            if isinstance(answer, list):
                for at, holder in zip(places, answer, strict=True):
                    holders[at] = int(holder)
        return holders

    async def _read(self, group: int, command: Command) -> Any:
        """Raises `LinkStoreUnavailableError` where there is nothing, but a node has lost what was there."""
        is_whole, found = await self._run([(b"EXISTS", WHOLE_KEYS[group]), command])
        if found is None and not is_whole:
            raise not_whole()
        return found

    async def _write(self, scripts: Sequence[Command]) -> list[Any]:
        answers: list[Any] = []
        for start in range(0, len(scripts), COMMANDS_AT_A_TIME):
            answers += await self._run(scripts[start : start + COMMANDS_AT_A_TIME])
        if any(answer == -1 for answer in answers):
            raise not_whole()
        return answers


def _script(script: bytes, group: int, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Command:
    return (b"EVAL", script, 1 + len(keys), WHOLE_KEYS[group], *keys, *arguments)


def _by_group(fields: Iterable[bytes]) -> Mapping[int, list[int]]:
    """The places of the fields of each group."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for at, field in enumerate(fields):
        groups[group_of_field(field)].append(at)
    return groups
