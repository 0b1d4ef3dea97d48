"""When a message is no longer to be handed over: `expireAt` in ISO 8601, or Unix time in s or ms. Pure."""

from datetime import UTC, datetime
from typing import Final

from api.messages.message import LIFETIME_MS, MAX_LIFETIME_MS

# Unix times above this are ms: as seconds they would lie beyond the year 5000.
_HIGHEST_S: Final = 100_000_000_000


def read_expiry(value: int | str | None, now_ms: int) -> int:
    """Unix time in ms; three days from now where nothing is said. Raises `ValueError`."""
    if value is None:
        return now_ms + LIFETIME_MS
    expires_at_ms = _read_ms(value)
    if expires_at_ms <= now_ms:
        raise ValueError("The time is past; give one to come, or leave it out")
    # What is further away is a way to say "never", which no SMSC takes either.
    return min(expires_at_ms, now_ms + MAX_LIFETIME_MS)


def _read_ms(value: int | str) -> int:
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        return _read_iso(value)
    number = int(value) if len(str(value)) < 20 else -1  # no clock needs more digits
    if number < 0:
        raise ValueError("Unix time in s or ms is wanted here")
    return number if number > _HIGHEST_S else number * 1000


def _read_iso(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        return int(instant.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(
            "A time in ISO 8601, such as 2030-01-31T18:00:00Z, or Unix time in s or ms is wanted here"
        ) from None
