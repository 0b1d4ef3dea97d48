"""What the api processes share for a while: counters of limits and answers to repeat. In the links' Redis.

Nothing here is lost for good with Redis: limits begin anew, and a repeated request is carried out again.
"""

from typing import Any

from redis.exceptions import RedisError

from edge.contract import open_redis_client


class SharedStateUnavailableError(Exception):
    """Redis can't be reached."""


class SharedState:
    """Keys that end by themselves. Belongs to one event loop. Raises `SharedStateUnavailableError`."""

    def __init__(self, url: str) -> None:
        self._redis: Any = open_redis_client(url)  # redis-py types its commands as sync or async, whichever

    async def claim(self, key: str, value: bytes, ttl_s: int) -> bytes | None:
        """Set the key unless it is there; what was there, None where it is ours now."""
        try:
            found: bytes | None = await self._redis.set(key, value, nx=True, get=True, ex=ttl_s)
        except (RedisError, OSError) as error:
            raise SharedStateUnavailableError(str(error)) from error
        return found

    async def put(self, key: str, value: bytes, ttl_s: int) -> None:
        try:
            await self._redis.set(key, value, ex=ttl_s)
        except (RedisError, OSError) as error:
            raise SharedStateUnavailableError(str(error)) from error

    async def evaluate(self, script: str, key: str, *arguments: float | str | bytes) -> list[int]:
        """Run a script on one key; its answer is a list of integers."""
        try:
            answer: list[int] = await self._redis.eval(script, 1, key, *arguments)
        except (RedisError, OSError) as error:
            raise SharedStateUnavailableError(str(error)) from error
        return answer

    async def close(self) -> None:
        await self._redis.aclose()
