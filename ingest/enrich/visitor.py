"""Visitor: who counts once for uniques, as a keyed hash that can't be turned back without the key.

A click by a personal code is its recipient's, from whatever device: link and code are hashed. Any other is
told apart by address and user agent, within a tenant. There is no time window: the same person is the same
visitor for as long as the key lives.
"""

import os
from hashlib import blake2b
from pathlib import Path
from typing import Final

from ingest.decode import Click
from ingest.key_file import make_file

KEY_BYTES: Final = 32


class VisitorKeyError(Exception):
    """The key file can't be used; the text says what to do."""


class VisitorIds:
    """Makes visitor ids (64 bits) under one key. Programs that share a warehouse must share the key."""

    def __init__(self, key: bytes) -> None:
        self._keyed = blake2b(key=key, digest_size=8)

    def __call__(self, click: Click) -> int:
        if click.personal:
            identity = f"code\0{click.link}\0{click.code}"
        else:
            identity = f"address\0{click.tenant}\0{click.ip}\0{click.user_agent}"
        keyed = self._keyed.copy()
        keyed.update(identity.encode())
        return int.from_bytes(keyed.digest(), "big")


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
