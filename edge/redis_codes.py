"""The codes in Redis: claimed, looked up, released, and given more buckets when those get full.

`edge/code_layout.py` has the invariants that every statement here keeps.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from edge.code_layout import FIRST_BUCKETS, FULL_FIELDS, LAYOUT_KEY, CodeLayout
from edge.codes import RELEASES_KEY, code_field
from edge.linkstore import FREE
from edge.redis_connection import Command

# A script holds up every redirect's look-up while it runs: 500 codes take 1 ms.
CODES_A_SCRIPT: Final = 500
FIELDS_A_MOVE: Final = 250
FIELDS_A_STEP: Final = 2_000  # of the buckets that are split in one step, one bucket at the least
MOVES_A_STEP: Final = 16
SAMPLED_BUCKETS: Final = 32

_UNLESS_LAYOUT: Final = (
    b"if (redis.call('GET', KEYS[1]) or '%b') ~= ARGV[1] then return false end\n" % CodeLayout().to_bytes()
)
# KEYS: the layout's. ARGV: the layout, how many buckets there were before the split that is under way or "",
# then as texts with spaces: the fields, their buckets (the new ones in a split), and the number of each or of
# all. The answer has place and holder of each code that was claimed before. Three texts for many codes cost a
# third of what an argument or two a code do.
_CLAIM: Final = (
    _UNLESS_LAYOUT
    + b"""
local call, before, at, claimed = redis.call, tonumber(ARGV[2]), 0, {}
local buckets, numbers = string.gmatch(ARGV[4], '%d+'), string.gmatch(ARGV[5], '%d+')
local number
for field in string.gmatch(ARGV[3], '%S+') do
  at = at + 1
  number = numbers() or number
  local bucket = buckets()
  local new = 'code:' .. bucket
  local holder = before and tonumber(bucket) >= before and call('HGET', 'code:' .. bucket - before, field)
  if not holder and call('HSETNX', new, field, number) == 0 then
    holder = call('HGET', new, field)
  end
  if holder then
    claimed[#claimed + 1] = at
    claimed[#claimed + 1] = holder
  end
end
return claimed
"""
)
# KEYS: the layout's. ARGV: the layout as it is, the layout to come.
_CHANGE_LAYOUT: Final = _UNLESS_LAYOUT + b"return redis.call('SET', KEYS[1], ARGV[2])"
# KEYS: the layout's. ARGV: the layout to come, how many buckets there are where nothing says otherwise.
_LAY_OUT: Final = b"""
if redis.call('EXISTS', KEYS[1]) == 1 then return end
for bucket = 0, ARGV[2] - 1 do
  if redis.call('EXISTS', 'code:' .. bucket) == 1 then return end
end
redis.call('SET', KEYS[1], ARGV[1])
"""
# KEYS: old and new bucket. ARGV: as one text, the fields that belong into the new one. A listpack is searched
# for each field that is taken out of it, so both are written anew; one that had grown out of it becomes one
# again only so.
_MOVE: Final = b"""
local call, fields, moved, kept = redis.call, {}, {}, {}
for field in string.gmatch(ARGV[1], '%S+') do fields[#fields + 1] = field end
if call('HLEN', KEYS[1]) <= 512 then
  local moving, all = {}, call('HGETALL', KEYS[1])
  for _, field in ipairs(fields) do moving[field] = true end
  for i = 1, #all, 2 do
    local part = moving[all[i]] and moved or kept
    part[#part + 1] = all[i]
    part[#part + 1] = all[i + 1]
  end
  if #moved == 0 then return end
  call('DEL', KEYS[1])
  if #kept > 0 then call('HSET', KEYS[1], unpack(kept)) end
else
  local values = call('HMGET', KEYS[1], unpack(fields))
  for i, field in ipairs(fields) do
    if values[i] then
      moved[#moved + 1] = field
      moved[#moved + 1] = values[i]
    end
  end
  if #moved == 0 then return end
  call('HDEL', KEYS[1], unpack(fields))
end
call('HSET', KEYS[2], unpack(moved))
"""

Run = Callable[..., Awaitable[list[Any]]]
"""Sends commands in one write and gives their replies; with `atomic=True` as one transaction."""


class RedisCodes:
    """The codes of one Redis server. Raises what `run` raises."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._known_layout: CodeLayout | None = None

    async def claim(self, domain_tag: str, codes: Sequence[str], numbers: Sequence[int]) -> list[int]:
        """Give each code to the link at its place unless it was claimed before; by whom, in order, or `FREE`.

        One number counts for all codes.
        """
        fields = code_fields(domain_tag, codes)
        holders = [FREE] * len(fields)
        for start in range(0, len(fields), CODES_A_SCRIPT):
            part = slice(start, start + CODES_A_SCRIPT)
            part_numbers = numbers if len(numbers) == 1 else numbers[part]
            while (claimed := await self._try_claim(fields[part], part_numbers)) is None:
                self._known_layout = None
            for place, holder in zip(claimed[::2], claimed[1::2], strict=True):
                holders[start + int(place) - 1] = int(holder)
        return holders

    async def find(self, domain_tag: str, code: str) -> int | None:
        """The number of the link that holds the code."""
        [field] = code_fields(domain_tag, [code])
        while True:
            layout = await self._layout()
            old, new = layout.keys(field)
            now, in_old, in_new = await self._run(
                [(b"GET", LAYOUT_KEY), (b"HGET", old, field), (b"HGET", new, field)], atomic=True
            )
            if CodeLayout.from_bytes(now) == layout:
                number = in_old or in_new
                return None if number is None else int(number)
            self._known_layout = None

    async def release(self, domain_tag: str, codes: Sequence[str]) -> None:
        """Forget the codes, wherever they stand and whatever moves meanwhile, and let every edge do so."""
        remaining = code_fields(domain_tag, codes)
        while remaining:
            part, remaining = remaining[:CODES_A_SCRIPT], remaining[CODES_A_SCRIPT:]
            layout = await self._layout()
            keys = [(key, field) for field in part for key in dict.fromkeys(layout.keys(field))]
            deletions: list[Command] = [(b"HDEL", key, field) for key, field in keys]
            commands: list[Command] = [(b"GET", LAYOUT_KEY), *deletions, (b"INCR", RELEASES_KEY)]
            now, *_ = await self._run(commands, atomic=True)
            if CodeLayout.from_bytes(now) != layout:
                self._known_layout = None
                remaining = part + remaining

    async def lay_out(self, codes: int) -> None:
        """Give buckets to so many codes that are to come.

        Nothing is done where there are codes, or buckets for them, already.
        """
        layout = CodeLayout.with_room_for(codes)
        await self._run([(b"EVAL", _LAY_OUT, 1, LAYOUT_KEY, layout.to_bytes(), FIRST_BUCKETS)])

    async def make_room(self) -> int:
        """Split every bucket in two where they are full on average, or where a split was left half-way.

        Returns the number of buckets now. Safe beside claims, look-ups and other callers of the same.
        """
        self._known_layout = None
        layout = await self._layout()
        fields_a_bucket = await self._fields_a_bucket(layout)
        if not layout.is_splitting:
            if fields_a_bucket < FULL_FIELDS:
                return layout.buckets
            await self._change_layout(layout, layout.begin_split())
            layout = layout.begin_split()
        step = max(1, int(FIELDS_A_STEP / max(1.0, fields_a_bucket)))
        for first in range(0, layout.buckets, step):
            await self._split(layout.buckets, range(first, min(first + step, layout.buckets)))
        await self._change_layout(layout, layout.end_split())
        self._known_layout = None
        return (await self._layout()).buckets

    async def _try_claim(self, fields: Sequence[bytes], numbers: Sequence[int]) -> list[Any] | None:
        layout = await self._layout()
        before = layout.buckets if layout.is_splitting else ""
        buckets = " ".join(map(str, layout.new_buckets(fields)))
        texts = (b" ".join(fields), buckets.encode(), " ".join(map(str, numbers)).encode())
        [answer] = await self._run(
            [(b"EVAL", _CLAIM, 1, LAYOUT_KEY, layout.to_bytes(), str(before).encode(), *texts)]
        )
        return list(answer) if answer is not None else None

    async def _layout(self) -> CodeLayout:
        if self._known_layout is None:
            [value] = await self._run([(b"GET", LAYOUT_KEY)])
            self._known_layout = CodeLayout.from_bytes(value)
        return self._known_layout

    async def _change_layout(self, now: CodeLayout, then: CodeLayout) -> None:
        """Nothing happens where somebody else has changed it."""
        await self._run([(b"EVAL", _CHANGE_LAYOUT, 1, LAYOUT_KEY, now.to_bytes(), then.to_bytes())])

    async def _fields_a_bucket(self, layout: CodeLayout) -> float:
        sample = random.sample(range(layout.buckets), min(SAMPLED_BUCKETS, layout.buckets))
        return sum(await self._run([(b"HLEN", b"code:%d" % bucket) for bucket in sample])) / len(sample)

    async def _split(self, buckets: int, numbers: range) -> None:
        doubled = CodeLayout(2 * buckets)
        found = await self._run([(b"HKEYS", b"code:%d" % number) for number in numbers])
        moves: list[Command] = []
        for number, fields in zip(numbers, found, strict=True):
            old, new = b"code:%d" % number, b"code:%d" % (number + buckets)
            places = zip(fields, doubled.new_buckets(fields), strict=True)
            moving = [field for field, bucket in places if bucket != number]
            moves += [
                (b"EVAL", _MOVE, 2, old, new, b" ".join(moving[start : start + FIELDS_A_MOVE]))
                for start in range(0, len(moving), FIELDS_A_MOVE)
            ]
        for start in range(0, len(moves), MOVES_A_STEP):
            await self._run(moves[start : start + MOVES_A_STEP])


def code_fields(domain_tag: str, codes: Sequence[str]) -> list[bytes]:
    """The field of each code in its bucket."""
    if len(codes) == 1:
        return [code_field(codes[0].encode(), domain_tag.encode())]
    return " ".join([code + domain_tag for code in codes] if domain_tag else codes).encode().split()
