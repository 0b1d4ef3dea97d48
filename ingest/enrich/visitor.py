"""Visitor: who counts once for uniques, as a keyed hash that can't be turned back without the key.

A click by a personal code is its recipient's, from whatever device: link and code are hashed. Any other is
told apart by address and user agent, within a tenant: for as long as the key lives where the tenant keeps
addresses whole, within a day of UTC where it does not (`ingest/enrich/privacy.py`).
"""

import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ingest.clicks import Clicks
from ingest.decode import Click
from ingest.enrich.privacy import Profiles, day_key, day_of
from ingest.key_file import make_file

KEY_BYTES: Final = 32

_WHOLE: Final = Profiles()


class VisitorKeyError(Exception):
    """The key file can't be used; the text says what to do."""


class VisitorIds:
    """Makes visitor ids (64 bits) under one key. Programs that share a warehouse must share the key."""

    def __init__(self, key: bytes) -> None:
        self.key: Final = key
        self._keyed = blake2b(key=key, digest_size=8)

    def __call__(self, click: Click, profiles: Profiles = _WHOLE) -> int:
        """`profiles` has the salt of the click's day if its tenant does not keep addresses whole."""
        return int(self.of_all(Clicks.of([click]), profiles)[0])

    def of_all(self, clicks: Clicks, profiles: Profiles) -> NDArray[np.uint64]:
        """As one call a click."""
        if clicks.personal.all():
            both = zip(clicks.link.tolist(), clicks.code, strict=True)
            digests = self._hash_all(f"code\0{link}\0{code}" for link, code in both)
        else:
            digests = self._hash_all(map(_identity, clicks))
            if profiles.address:
                for at, click in enumerate(clicks):
                    if not click.personal and profiles.of(click.tenant) != "whole":
                        digests[at] = self._hash_within_day(click, profiles)
        return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)

    def day_key(self, ts_ms: int, profiles: Profiles) -> bytes:
        """Of the day of a click of a tenant that does not keep addresses whole."""
        return day_key(self.key, profiles.salts[day_of(ts_ms)])

    def _hash_all(self, identities: Iterable[str]) -> list[bytes]:
        digests = []
        copy = self._keyed.copy
        for identity in identities:
            keyed = copy()
            keyed.update(identity.encode())
            digests.append(keyed.digest())
        return digests

    def _hash_within_day(self, click: Click, profiles: Profiles) -> bytes:
        key = self.day_key(click.ts_ms, profiles)
        return blake2b(_identity(click).encode(), key=key, digest_size=8, person=b"visitor").digest()


def _identity(click: Click) -> str:
    """What its visitor is told by."""
    if click.personal:
        return f"code\0{click.link}\0{click.code}"
    return f"address\0{click.tenant}\0{click.ip}\0{click.headers.user_agent}"


def key_path(data_dir: Path) -> Path:
    return data_dir / "visitor.key"


def load_key(path: Path) -> bytes:
    """The key in `path`, made of fresh randomness (mode 0600) where there is no such file.

    Raises `VisitorKeyError` where the file holds no key, `OSError` where it can't be read or written.
    """
    if not path.exists():
        make_file(path, os.urandom(KEY_BYTES))
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise VisitorKeyError(
            f"{path} holds {len(key)} bytes, not {KEY_BYTES}: restore it from a backup, or delete it "
            "and accept that everyone counts as a new visitor from then on"
        )
    return key
