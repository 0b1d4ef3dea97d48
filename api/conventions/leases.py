"""A lease on a key that the api processes share: who holds it works alone, for as long as that takes.

The holder says every `RENEWAL_S` that it goes on. One that died is followed `LEASE_S` after it last said so.
One that could not say so, because it stood still or Redis was away, breaks off its work before that.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Coroutine
from typing import Any, Final, Self, TypeVar

from api.conventions.shared_state import SharedState, SharedStateUnavailableError

LEASE_S: Final = 10
RENEWAL_S: Final = 2.0
BROKEN_OFF_AFTER_S: Final = LEASE_S - RENEWAL_S

# ARGV: the value of the lease, `LEASE_S`. 1 if it goes on.
_RENEW: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
return {redis.call('EXPIRE', KEYS[1], ARGV[2])}
"""
# ARGV: the value of the lease, what to put in its place, for how many seconds. 1 if that was done.
_REPLACE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return {1}
"""
# ARGV: the value of the lease.
_END: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
return {redis.call('DEL', KEYS[1])}
"""

Result = TypeVar("Result")


class LeaseLostError(Exception):
    """Another may hold the key by now."""


class Lease:
    """What this process holds. Raises `SharedStateUnavailableError` where nothing else is said."""

    def __init__(self, shared_state: SharedState, key: str, value: bytes, until_s: float) -> None:
        self._shared_state = shared_state
        self._key = key
        self._value = value
        self._until_s = until_s

    @classmethod
    async def take(cls, shared_state: SharedState, key: str, label: bytes) -> Self | bytes:
        """The lease, or what stands under the key: another's begins with its own label."""
        until_s = time.monotonic() + BROKEN_OFF_AFTER_S
        value = label + secrets.token_bytes(16)
        found = await shared_state.claim(key, value, LEASE_S)
        return cls(shared_state, key, value, until_s) if found is None else found

    async def hold(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What the work comes to. Raises `LeaseLostError`, once it is broken off, where the lease is lost."""
        working = asyncio.create_task(work)
        ended = asyncio.Event()
        renewing = asyncio.create_task(self._renew(ended))
        try:
            while not working.done():
                left_s = self._until_s - time.monotonic()
                if left_s <= 0 or renewing.done():
                    raise LeaseLostError
                await asyncio.wait((working, renewing), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            return working.result()
        finally:
            ended.set()
            working.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)

    async def replace(self, value: bytes, ttl_s: int) -> None:
        """End it by putting something in its place. Raises `LeaseLostError`."""
        (is_done,) = await self._shared_state.evaluate(_REPLACE, self._key, self._value, value, ttl_s)
        if not is_done:
            raise LeaseLostError

    async def end(self) -> None:
        """Let the next one have it at once. Does nothing where it was lost, and never raises."""
        with contextlib.suppress(SharedStateUnavailableError):
            await self._shared_state.evaluate(_END, self._key, self._value)

    async def _renew(self, ended: asyncio.Event) -> None:
        """Say time and again that it goes on, until it has `ended` or is lost."""
        goes_on = 1
        while goes_on:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), RENEWAL_S)
                return
            asked_s = time.monotonic()
            with contextlib.suppress(SharedStateUnavailableError):
                (goes_on,) = await self._shared_state.evaluate(_RENEW, self._key, self._value, LEASE_S)
                self._until_s = asked_s + BROKEN_OFF_AFTER_S
