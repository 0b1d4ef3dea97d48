"""The first service key: set by the operator, or made by the api on its first start and kept in a file."""

from pathlib import Path

from edge.contract import Settings


def path(settings: Settings) -> Path:
    """Where the api keeps the key that it makes; a test holds the name to the api's."""
    return settings.data_dir / "admin.key"


def find(settings: Settings) -> str | None:
    """The key, None where there is none yet."""
    if settings.admin_key is not None:
        return settings.admin_key
    try:
        return path(settings).read_text().strip()
    except OSError:
        return None
