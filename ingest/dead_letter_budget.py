"""How many events may be no clicks before something is plainly wrong with whoever sends them. Pure."""

from collections import deque
from collections.abc import Iterable
from typing import Final

MAX_PERCENT: Final = 1.0
MAX_IN_A_ROW: Final = 100
WINDOW_EVENTS: Final = 10_000
"""The share is that of the last so many events, so it is not judged by a handful."""


class DeadLetterBudget:
    """Counts over all that is read. What was refused is not counted: it is looked at again."""

    def __init__(self, *, max_percent: float = MAX_PERCENT) -> None:
        self._max_percent = max_percent
        self._window: deque[tuple[int, int]] = deque()  # events and dead letters of each lot
        self._events = self._dead = 0
        self._in_a_row = 0

    def spend(self, dead: Iterable[bool]) -> str | None:
        """Take a lot of events, each dead or not, into account; or the reason why it must not be taken."""
        if self._max_percent >= 100:
            return None
        lot = list(dead)
        in_a_row = longest = self._in_a_row
        for is_dead in lot:
            in_a_row = in_a_row + 1 if is_dead else 0
            longest = max(longest, in_a_row)
        if longest > MAX_IN_A_ROW:
            return f"more than {MAX_IN_A_ROW} events in a row are no clicks"
        events, dead_count = self._events + len(lot), self._dead + sum(lot)
        if dead_count * 100 > self._max_percent * max(events, WINDOW_EVENTS):
            return (
                f"{dead_count} of the last {events} events are no clicks, more than {self._max_percent:g} %"
            )
        self._in_a_row = in_a_row
        self._window.append((len(lot), sum(lot)))
        self._events, self._dead = events, dead_count
        while self._events - self._window[0][0] >= WINDOW_EVENTS:
            gone_events, gone_dead = self._window.popleft()
            self._events -= gone_events
            self._dead -= gone_dead
        return None
