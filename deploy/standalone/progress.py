"""Progress on a terminal as one line that redraws itself; elsewhere as a plain line now and then.

Standard library only: the bootstrap shows it before anything is installed.
"""

import sys
import time
from typing import Final, TextIO

_BAR_WIDTH: Final = 30
_PLAIN_LINE_EVERY_S: Final = 5.0


class Progress:
    """`show(done, total)` as often as you like, then `finish(text)` once."""

    def __init__(self, label: str, stream: TextIO = sys.stdout) -> None:
        self._label = label
        self._stream = stream
        self._terminal = stream.isatty()
        self._started_s = time.monotonic()
        self._next_plain_line_s = 0.0

    def show(self, done: int, total: int) -> None:
        now_s = time.monotonic()
        text = f"{self._label} {done}/{total}"
        if self._terminal:
            filled = _BAR_WIDTH * done // max(total, 1)
            bar = "#" * filled + "." * (_BAR_WIDTH - filled)
            self._stream.write(f"\r\x1b[K[{bar}] {text}, {now_s - self._started_s:.0f} s")
            self._stream.flush()
        elif now_s >= self._next_plain_line_s:
            self._next_plain_line_s = now_s + _PLAIN_LINE_EVERY_S
            print(text, file=self._stream, flush=True)

    def finish(self, text: str) -> None:
        start = "\r\x1b[K" if self._terminal else ""
        print(f"{start}{text}, {time.monotonic() - self._started_s:.1f} s", file=self._stream, flush=True)
