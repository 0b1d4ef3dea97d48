"""Key sets (JWKS) of identity providers: fetched with care, kept, and fetched anew when keys rotate.

A set counts as fresh for `FRESH_S`. A token with an unknown key id makes us look again, at most once in
`REFETCH_S` a provider, so that made-up ids can't be turned into a flood. A provider that is down does no
harm for `KEPT_S`: its last set goes on.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

from aggregator.contract import Network, open_session

FRESH_S: Final = 600.0
REFETCH_S: Final = 30.0
KEPT_S: Final = 24 * 3600.0
TIMEOUT_S: Final = 5.0
MAX_SET_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100

KeyFields = dict[str, Any]

log = logging.getLogger(__name__)


class KeySetError(Exception):
    """The key set can't be had; the text says why and names no secret."""


@dataclass(slots=True)
class _CachedSet:
    keys: Sequence[KeyFields]
    fetched_at_s: float
    tried_at_s: float


class KeySets:
    """The key sets of all providers, by URL. Belongs to one event loop."""

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        tls: ssl.SSLContext | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`allowed`: networks that are fetched from though they are private. `clock_s` never goes back."""
        self._allowed = allowed
        self._tls = tls
        self._clock_s = clock_s
        self._sets: dict[str, _CachedSet] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._session: aiohttp.ClientSession | None = None

    async def find(self, url: str, key_id: str | None) -> KeyFields | None:
        """The key with this id; without an id, the only key there is. None where there is none.

        Raises `KeySetError` where no set can be had.
        """
        found = self._sets.get(url)
        if found is None or self._clock_s() - found.fetched_at_s >= FRESH_S:
            found = await self._refetch(url)
        key = _choose(found.keys, key_id)
        if key is None and self._clock_s() - found.tried_at_s >= REFETCH_S:
            key = _choose((await self._refetch(url)).keys, key_id)
        return key

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _refetch(self, url: str) -> _CachedSet:
        """One fetch at a time a URL, and not more often than `REFETCH_S`."""
        async with self._locks.setdefault(url, asyncio.Lock()):
            found = self._sets.get(url)
            now_s = self._clock_s()
            if found is not None and now_s - found.tried_at_s < REFETCH_S:
                return self._usable(found, now_s)
            try:
                keys = await self._fetch(url)
            except KeySetError as error:
                log.warning("the key set at %s can't be read: %s", url, error)
                kept = ((), -KEPT_S) if found is None else (found.keys, found.fetched_at_s)
                self._sets[url] = _CachedSet(*kept, tried_at_s=now_s)
            else:
                self._sets[url] = _CachedSet(keys, now_s, now_s)
            return self._usable(self._sets[url], now_s)

    def _usable(self, found: _CachedSet, now_s: float) -> _CachedSet:
        if not found.keys or now_s - found.fetched_at_s >= KEPT_S:
            raise KeySetError("The identity provider's keys can't be read.")
        return found

    async def _fetch(self, url: str) -> list[KeyFields]:
        if not url.startswith("https://"):
            raise KeySetError("only https:// is fetched from")
        if self._session is None:
            self._session = open_session(self._allowed, timeout_s=TIMEOUT_S, tls=self._tls)
        try:
            async with self._session.get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise KeySetError(f"the answer's status was {answer.status}")
                body = await answer.content.read(MAX_SET_BYTES + 1)
                while not answer.content.at_eof() and len(body) <= MAX_SET_BYTES:
                    body += await answer.content.read(MAX_SET_BYTES + 1 - len(body))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise KeySetError(f"{type(error).__name__}: {error}") from None
        if len(body) > MAX_SET_BYTES:
            raise KeySetError(f"it has more than {MAX_SET_BYTES:,} bytes")
        return _read_keys(body)


def _read_keys(body: bytes) -> list[KeyFields]:
    """The keys of an RFC 7517 set. Raises `KeySetError`."""
    try:
        keys = orjson.loads(body)["keys"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise KeySetError("it is no JSON with keys in it") from None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys) or not keys:
        raise KeySetError("its keys are no list of objects")
    return keys[:MAX_KEYS]


def _choose(keys: Sequence[KeyFields], key_id: str | None) -> KeyFields | None:
    if key_id is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.get("kid") == key_id), None)
