"""Rate limits a service key, by the generic cell rate algorithm in Redis: exact over all api processes.

A limit of q units in w seconds lets q through at once, and from then on one each w/q seconds. What a caller
has left is told in `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10). Without
Redis nobody is refused: a limit is no reason for an outage.
"""

import logging
import math
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.callers import Caller, Quota
from api.conventions.shared_state import SharedState, SharedStateUnavailableError
from api.problems import QUOTA_EXCEEDED, ProblemError

REQUESTS: Final = "requests"

# The stored value is the time at which the whole quota is free again, in microseconds of Redis's clock.
# What costs more than the quota passes when the quota is whole, and is paid off afterwards.
_TAKE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local units, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local step = window / units
local free_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = free_at + math.min(cost, units) * step - window - now
if wait > 0.5 then
  return {0, math.max(0, math.floor((now + window - free_at) / step)), math.ceil(wait)}
end
free_at = free_at + cost * step
redis.call('SET', KEYS[1], string.format('%.0f', free_at), 'PX', math.ceil((free_at - now) / 1000) + 1)
return {1, math.max(0, math.floor((now + window - free_at) / step)), math.ceil(free_at - now)}
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands: `wait_s` until there is room again if refused, else until the quota is whole."""

    is_allowed: bool
    remaining: int
    wait_s: int


class RateLimits:
    """Counts units by caller and policy."""

    def __init__(self, shared_state: SharedState) -> None:
        self._shared_state = shared_state

    async def take(self, caller: Caller, policy: str, quota: Quota, cost: int = 1) -> Standing | None:
        """Take `cost` units if there is room; None where Redis can't be reached, which lets it pass."""
        key = f"limit:{policy}:{caller.tenant}:{caller.actor}"
        try:
            is_allowed, remaining, wait_us = await self._shared_state.evaluate(
                _TAKE, key, quota.units, quota.window_s * 1_000_000, cost
            )
        except SharedStateUnavailableError as error:
            log.warning("no rate limit is kept now: %s", error)
            return None
        return Standing(bool(is_allowed), remaining, math.ceil(wait_us / 1_000_000))

    async def require(
        self, caller: Caller, policy: str, quota: Quota | None, cost: int = 1
    ) -> dict[str, str]:
        """The headers that tell where the caller stands; none without a quota. Raises a 429.

        A route that counts something else than requests calls this with a policy of its own, as messages do.
        """
        standing = None if quota is None else await self.take(caller, policy, quota, cost)
        if quota is None or standing is None:
            return {}
        headers = {
            "RateLimit-Policy": f'"{policy}";q={quota.units};w={quota.window_s}',
            "RateLimit": f'"{policy}";r={standing.remaining};t={standing.wait_s}',
        }
        if not standing.is_allowed:
            raise ProblemError(
                QUOTA_EXCEEDED,
                f"This key may have {quota.units:,} {policy} in {quota.window_s:,} s;"
                f" try again in {standing.wait_s:,} s.",
                headers={**headers, "Retry-After": str(standing.wait_s)},
            )
        return headers


class RateLimiting:
    """ASGI middleware, after `Authentication`: counts requests of callers that have a quota."""

    def __init__(self, app: ASGIApp, *, rate_limits: RateLimits) -> None:
        self._app = app
        self._rate_limits = rate_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller | None = scope.get("state", {}).get("caller")
        if caller is None or caller.quota is None:
            await self._app(scope, receive, send)
            return
        try:
            headers = await self._rate_limits.require(caller, REQUESTS, caller.quota)
        except ProblemError as error:
            await error.problem.to_response(scope["path"])(scope, receive, send)
            return

        async def send_with_standing(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in headers.items():
                    own.append(name, value)
            await send(message)

        await self._app(scope, receive, send_with_standing)
