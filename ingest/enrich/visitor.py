"""Visitor: who counts once for uniques, as a keyed hash that can't be turned back without the key.

A click by a personal code is its recipient's, from whatever device: link and code are hashed. Any other is
told apart by address and user agent, within a tenant: for as long as the key lives where the tenant keeps
addresses whole, within a day of UTC where it does not (`ingest/enrich/privacy.py`).
"""

import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
        return int.from_bytes(self._digest(click, profiles), "big")

    def of_all(self, clicks: Sequence[Click], profiles: Profiles) -> NDArray[np.uint64]:
        """As one call a click."""
        digests = b"".join([self._digest(click, profiles) for click in clicks])
        return np.frombuffer(digests, ">u8").astype(np.uint64)

    def day_key(self, click: Click, profiles: Profiles) -> bytes:
        return day_key(self.key, profiles.salts[day_of(click.ts_ms)])

    def _digest(self, click: Click, profiles: Profiles) -> bytes:
        if click.personal:
            return self._hash(f"code\0{click.link}\0{click.code}")
        identity = f"address\0{click.tenant}\0{click.ip}\0{click.headers.user_agent}"
        if not profiles.address or profiles.of(click.tenant) == "whole":
            return self._hash(identity)
        key = self.day_key(click, profiles)
        return blake2b(identity.encode(), key=key, digest_size=8, person=b"visitor").digest()

    def _hash(self, identity: str) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(identity.encode())
        return keyed.digest()


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
