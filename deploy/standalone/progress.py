"""Progress on a terminal as one line that redraws itself; elsewhere as a plain line now and then.

Standard library only: the bootstrap shows it before anything is installed.
"""

import sys
import time
from typing import Final, TextIO

_BAR_WIDTH: Final = 30
_PLAIN_LINE_EVERY_S: Final = 5.0


class Progress:
    """`show` as often as you like, then `finish` once."""

    def __init__(self, label: str, stream: TextIO = sys.stdout) -> None:
        self._label = label
        self._stream = stream
        self._terminal = stream.isatty()
        self._started_s = time.monotonic()
        self._next_plain_line_s = 0.0

    def show(self, done: int = 0, total: int | None = None) -> None:
        """How far it is, or only that it goes on where the total is not known."""
        now_s = time.monotonic()
        text = self._label if total is None else f"{self._label} {done}/{total}"
        if self._terminal:
            bar = "" if total is None else _bar(done, total)
            self._stream.write(f"\r\x1b[K{bar}{text}, {now_s - self._started_s:.0f} s")
            self._stream.flush()
        elif now_s >= self._next_plain_line_s:
            self._next_plain_line_s = now_s + _PLAIN_LINE_EVERY_S
            print(text, file=self._stream, flush=True)

    def finish(self, text: str) -> None:
        start = "\r\x1b[K" if self._terminal else ""
        print(f"{start}{text}, {time.monotonic() - self._started_s:.1f} s", file=self._stream, flush=True)


def _bar(done: int, total: int) -> str:
    filled = _BAR_WIDTH * done // max(total, 1)
    return f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] "
