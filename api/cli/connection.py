"""Where the API is and the key to it: options, then the environment, then the key file of this machine."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from api.client import Client

DEFAULT_URL: Final = "http://127.0.0.1:8000"
KEY_FILE: Final = "admin.key"


@dataclass(frozen=True, slots=True)
class Connection:
    """`as_json`: answers as JSON on stdout, for programs."""

    url: str
    key: str | None
    as_json: bool

    def open(self) -> Client:
        """The client; use it in a with block. Raises `click.UsageError` where there is no key."""
        key = self.key or key_of_this_machine()
        if key is None:
            raise click.UsageError(
                "There is no service key. Give --key, set SMARTLINKS_KEY, or run this where Smart Links keeps"
                f" its data ({_key_path()} is missing)."
            )
        return Client(self.url, key)


def key_of_this_machine() -> str | None:
    """The first service key, where Smart Links runs here."""
    try:
        return _key_path().read_text("ascii").strip()
    except OSError:
        return None


def _key_path() -> Path:
    return Path(os.environ.get("SMARTLINKS_DATA_DIR", "var")).expanduser() / KEY_FILE
