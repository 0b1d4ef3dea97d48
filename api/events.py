"""What every change needs for its link event."""

import secrets
from collections.abc import Callable

Clock = Callable[[], int]
"""Unix time in ms."""


def new_event_id() -> str:
    return secrets.token_hex(16)
