"""When a delivery is tried again: the schedule that the Standard Webhooks specification recommends. Pure."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

# Seconds between one try and the next; after the last there is none.
PAUSES_S: Final = tuple(
    timedelta(**pause).total_seconds()
    for pause in (
        {"seconds": 5},
        {"minutes": 5},
        {"minutes": 30},
        {"hours": 2},
        {"hours": 5},
        {"hours": 10},
        {"hours": 14},
        {"hours": 20},
        {"hours": 24},
    )
)
ATTEMPTS: Final = len(PAUSES_S) + 1
JITTER: Final = 0.2
LONGEST_RETRY_AFTER_S: Final = timedelta(hours=24).total_seconds()


def pause_after_ms(attempts: int, retry_after_s: float | None, draw: random.Random) -> int | None:
    """How long to wait after so many failed tries, None where it was the last.

    Up to `JITTER` is added, so that a receiver that comes back is not met by everything at once. What the
    receiver asked for is the least.
    """
    if attempts >= ATTEMPTS:
        return None
    pause_s = PAUSES_S[attempts - 1] * draw.uniform(1, 1 + JITTER)
    return int(max(pause_s, retry_after_s or 0.0) * 1000)


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` asks for, at most a day; None where it says nothing that can be read."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER_S)
