"""How many orphans are recorded: clicks on codes that lead nowhere (`edge/clicks.py`).

A mistyped code, or a message that went out with a wrong one, shows in them. What a scanner tries is bounded
twice, so that it neither fills the disk nor hides those: an address that is slowed (`edge/misses.py`) is
recorded no more, and a worker records `A_SECOND` at most, after `AT_ONCE`. The rest is only counted.
"""

from typing import Final

A_SECOND: Final = 20
AT_ONCE: Final = 100


class OrphanAllowance:
    """Orphans that a worker may still record. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._left = float(AT_ONCE)
        self._as_of_s = 0.0

    def take(self, now_s: float) -> bool:
        """Whether one more may be recorded; if so, it is taken for recorded."""
        self._left = min(float(AT_ONCE), self._left + (now_s - self._as_of_s) * A_SECOND)
        self._as_of_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
