"""The first service key, which is the system's own: from the settings, else from a file of its own."""

import os
import secrets
from pathlib import Path
from typing import Final

from edge.contract import Settings

KEY_FILE: Final = "admin.key"
KEY_PREFIX: Final = "slk_"


def new_secret() -> str:
    """A fresh service key of 256 random bits: no hash of it can be guessed back, so none needs to be slow."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def admin_key(settings: Settings) -> tuple[str, bool]:
    """The first service key, and whether it was made just now.

    It is `settings.admin_key`, else what `<data_dir>/admin.key` holds, which is made on the first start with
    mode 0600. Raises `OSError` where the file can be neither read nor written.
    """
    if settings.admin_key is not None:
        return settings.admin_key, False
    path = settings.data_dir / KEY_FILE
    try:
        return path.read_text(encoding="ascii").strip(), False
    except FileNotFoundError:
        pass
    key = new_secret()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    _write_whole(path, key + "\n")
    return key, True


def _write_whole(path: Path, text: str) -> None:
    """Write by rename, so that a death in between leaves no half a key."""
    newborn = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(newborn, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    newborn.rename(path)
