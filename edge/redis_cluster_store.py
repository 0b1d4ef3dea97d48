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
    mints_key,
)
from edge.links import DOCUMENT_FIELD
from edge.linkstore import FREE, GONE_VERSION, LinkEntry
from edge.redis_codes import code_fields
from edge.redis_connection import Command, RedisConnection
from edge.redis_store import IS_LATER, RedisLinkStore, link_arguments, not_whole

COMMANDS_AT_A_TIME: Final = 2_000

# Of all: KEYS[1] is the group's marker.
_IF_WHOLE: Final = b"if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end\n"
_UNLESS_WHOLE: Final = b"if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end\n"
# KEYS[2]: the link's. ARGV: version, document, then field, value, field ... 1 where it is done.
_REPLACE: Final = (
    IS_LATER
    + b"""
if not is_later(KEYS[2], ARGV[1], ARGV[2]) then return 0 end
redis.call('HSET', KEYS[2], 'version', ARGV[1])
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'version', ARGV[1], 'document', ARGV[2], unpack(ARGV, 3))
return 1
"""
)
# KEYS[2]: the hash. ARGV: the id, the number, a holder that is known to be gone. The number that it leads to.
_SET_ID: Final = b"""
local holder = redis.call('HGET', KEYS[2], ARGV[1])
if holder and holder ~= ARGV[3] then return tonumber(holder) end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return tonumber(ARGV[2])
"""
# KEYS[2], KEYS[3]: the link's and its mints'. ARGV: the version of what is gone.
_BURY: Final = b"redis.call('DEL', KEYS[2], KEYS[3]) redis.call('HSET', KEYS[2], 'version', ARGV[1]) return 0"
# KEYS[2]: the hash. ARGV: the id, the number.
_FORGET_ID: Final = b"""
if redis.call('HGET', KEYS[2], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[2], ARGV[1]) end
return 0
"""
# KEYS[2 ...]: the buckets. ARGV: a field for each bucket, then a number for each. Who had each, 0 for nobody.
_CLAIM: Final = b"""
local holders, count = {}, #ARGV / 2
for i = 1, count do
  local number = ARGV[count + i]
  if redis.call('HSETNX', KEYS[i + 1], ARGV[i], number) == 1 then
    holders[i] = 0
  else
    holders[i] = redis.call('HGET', KEYS[i + 1], ARGV[i])
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

    async def put_links(self, entries: Sequence[LinkEntry]) -> list[bool]:
        answers = await self._replace(_IF_WHOLE, entries)
        put = [each for each, answer in zip(entries, answers, strict=True) if answer == 1]
        led = {each.number for each in await self._lead_ids(put)}
        return [answer == 1 and each.number in led for each, answer in zip(entries, answers, strict=True)]

    async def restore_link(self, entry: LinkEntry) -> None:
        await self._replace(_UNLESS_WHOLE, [entry])
        await self._set_ids(_UNLESS_WHOLE, [entry], [0])

    async def get_documents(self, link_ids: Sequence[str]) -> list[tuple[int, bytes] | None]:
        ids = [link_id.encode() for link_id in link_ids]
        numbers = await self._read([(group_of_field(each), (b"HGET", id_key(each), each)) for each in ids])
        known = [int(number) for number in numbers if number is not None]
        documents = iter(
            await self._read(
                [(group_of_link(each), (b"HGET", link_key(each), DOCUMENT_FIELD)) for each in known]
            )
        )
        found = [None if number is None else (int(number), next(documents)) for number in numbers]
        return [each if each is not None and each[1] is not None else None for each in found]

    async def delete_link(self, link_id: str, number: int) -> None:
        public_id = link_id.encode()
        gone = [b"%d" % GONE_VERSION]
        keys = [link_key(number), mints_key(number)]
        await self._write([_script(_IF_WHOLE + _BURY, group_of_link(number), keys, gone)])
        arguments = [public_id, b"%d" % number]
        group = group_of_field(public_id)
        await self._write([_script(_IF_WHOLE + _FORGET_ID, group, [id_key(public_id)], arguments)])

    async def claim_new_codes(
        self, domain_tag: str, codes: Sequence[str], numbers: Sequence[int]
    ) -> list[int]:
        return await self._claim(_IF_WHOLE, code_fields(domain_tag, codes), numbers)

    async def restore_codes(self, domain_tag: str, codes: Sequence[str], number: int) -> None:
        await self._claim(_UNLESS_WHOLE, code_fields(domain_tag, codes), [number] * len(codes))

    async def resolve(self, domain_tag: str, code: str) -> int | None:
        [field] = code_fields(domain_tag, [code])
        [number] = await self._read([(group_of_field(field), (b"HGET", code_key(field), field))])
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

    async def lay_out(self, codes: int) -> None:
        """Nothing: as `make_room`."""

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

    async def _on_mints(self, script: bytes, number: int, *arguments: bytes) -> Any:
        keys = [mints_key(number)]
        [answer] = await self._write([_script(_IF_WHOLE + script, group_of_link(number), keys, arguments)])
        return answer

    async def _replace(self, condition: bytes, entries: Sequence[LinkEntry]) -> list[int]:
        return await self._write(
            [
                _script(condition + _REPLACE, group_of_link(each.number), [link_key(each.number)],
                        [b"%d" % each.version, each.document, *link_arguments(each.link)])
                for each in entries
            ]
        )  # fmt: skip

    async def _lead_ids(self, entries: Sequence[LinkEntry]) -> list[LinkEntry]:
        """Let ids lead to these links, which stand already; those whose ids do. The others are forgotten."""
        holders = await self._set_ids(_IF_WHOLE, entries, [0] * len(entries))
        led = [each for each, holder in zip(entries, holders, strict=True) if holder == each.number]
        lost = [
            (each, holder) for each, holder in zip(entries, holders, strict=True) if holder != each.number
        ]
        for entry, holder in lost:  # next to none: two made a link of this id at the same time
            [is_there] = await self._run([(b"HEXISTS", link_key(holder), DOCUMENT_FIELD)])
            if is_there:
                await self.delete_link(entry.link_id, entry.number)
            else:
                await self._set_ids(_IF_WHOLE, [entry], [holder])
                led.append(entry)
        return led

    async def _set_ids(
        self, condition: bytes, entries: Sequence[LinkEntry], gone: Sequence[int]
    ) -> list[int]:
        ids = [(each.link_id.encode(), b"%d" % each.number) for each in entries]
        return await self._write(
            [
                _script(condition + _SET_ID, group_of_field(public_id), [id_key(public_id)],
                        [public_id, number, b"%d" % holder])
                for (public_id, number), holder in zip(ids, gone, strict=True)
            ]
        )  # fmt: skip

    async def _claim(self, condition: bytes, fields: Sequence[bytes], numbers: Sequence[int]) -> list[int]:
        """Who had each code before; nothing is done in groups that `condition` leaves alone."""
        groups = _by_group(fields)
        holders = [FREE] * len(fields)
        answers = await self._write(
            [
                _script(condition + _CLAIM, group, [code_key(fields[at]) for at in places],
                        [*(fields[at] for at in places), *(b"%d" % numbers[at] for at in places)])
                for group, places in groups.items()
            ]
        )  # fmt: skip
        for places, answer in zip(groups.values(), answers, strict=True):
            if isinstance(answer, list):
                for at, holder in zip(places, answer, strict=True):
                    holders[at] = int(holder)
        return holders

    async def _read(self, asked: Sequence[tuple[int, Command]]) -> list[Any]:
        """The replies to commands on groups.

        Raises `LinkStoreUnavailableError` where there is nothing, but a node has lost what was there.
        """
        found: list[Any] = []
        for start in range(0, len(asked), COMMANDS_AT_A_TIME):
            part = asked[start : start + COMMANDS_AT_A_TIME]
            commands = [each for group, command in part for each in ((b"EXISTS", WHOLE_KEYS[group]), command)]
            replies = await self._run(commands)
            if any(
                reply is None and not is_whole
                for is_whole, reply in zip(replies[::2], replies[1::2], strict=True)
            ):
                raise not_whole()
            found += replies[1::2]
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
