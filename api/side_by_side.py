"""Which api programs may serve side by side: those that agree on what they share in Redis and the catalogue.

Who mints, which version of a link counts, what a link consists of: a program that does not know of such a
thing breaks it for the others. So each says every second which `AGREEMENT` it keeps, and none begins while
one with another goes on. An update that leaves the number as it is can be made one program after the other;
where it counts up, new programs wait, not ready, until the last old one has ended.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import Final

from api.conventions.shared_state import SharedState, SharedStateUnavailableError

AGREEMENT: Final = 1
"""To be counted up with each change that programs from before would break or be broken by: a new field of
`LinkDocument` or `DomainDocument`, other scripts or keys in Redis, another meaning of either."""
LEASE_S: Final = 10
RENEWAL_S: Final = 1.0

_KEY: Final = "api_programs"
# ARGV: the program, its agreement, `LEASE_S`. How many there are with another one; if none, it is in.
_JOIN: Final = """
local now, all, others = tonumber(redis.call('TIME')[1]), redis.call('HGETALL', KEYS[1]), 0
for i = 1, #all, 2 do
  local agreement, said = string.match(all[i + 1], '(%d+) (%d+)')
  if now - tonumber(said) > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= ARGV[1] and tonumber(agreement) ~= tonumber(ARGV[2]) then
    others = others + 1
  end
end
if others == 0 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. now) end
return {others}
"""
_LEAVE: Final = "return {redis.call('HDEL', KEYS[1], ARGV[1])}"

log = logging.getLogger(__name__)


class OtherProgramsError(Exception):
    """Programs that keep another agreement are running; the text says what to do."""


class Membership:
    """A program's place among those that serve. Belongs to one event loop."""

    def __init__(self, shared_state: SharedState) -> None:
        self._shared_state = shared_state
        self._id = secrets.token_hex(8)
        self._agreement = AGREEMENT
        self._is_in = False

    async def join(self) -> None:
        """Be in, or go on to be. Raises `OtherProgramsError` and `SharedStateUnavailableError`."""
        (others,) = await self._shared_state.evaluate(_JOIN, _KEY, self._id, self._agreement, LEASE_S)
        if others:
            raise OtherProgramsError(
                f"waiting for {others} api programs of a version that can't run beside this one; end them"
            )
        self._is_in = True

    async def keep(self, on_lost: Callable[[], None]) -> None:
        """Go on to be in, once that is so. Calls `on_lost` where others came while this one was silent."""
        while True:
            await asyncio.sleep(RENEWAL_S)
            try:
                if self._is_in:
                    await self.join()
            except SharedStateUnavailableError:
                continue
            except OtherProgramsError:
                log.error("api programs of another version run by now; this one ends")  # noqa: TRY400
                on_lost()
                return

    async def leave(self) -> None:
        """Whoever comes next need not wait until the lease ends."""
        with contextlib.suppress(SharedStateUnavailableError):
            await self._shared_state.evaluate(_LEAVE, _KEY, self._id)
