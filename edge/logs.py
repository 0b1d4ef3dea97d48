"""Logging: one line an entry to stderr, `<UTC time> <program> <level> <message>`."""

import logging
import sys
import time
from typing import Final

# A stranger's bytes in a message must neither begin a line of their own nor reach the terminal as controls.
_ESCAPES: Final = {
    code: "\\n" if code == 0x0A else f"\\x{code:02x}"
    for code in (*range(0x20), *range(0x7F, 0xA0))
    if code != 0x09
}


class OneLineFormatter(logging.Formatter):
    """An entry with its traceback on one line; control characters are written as escapes."""

    converter = staticmethod(time.gmtime)

    def __init__(self, program: str) -> None:
        super().__init__(
            f"%(asctime)s.%(msecs)03dZ {program} %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
        )

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).translate(_ESCAPES)


def configure_logging(program: str) -> None:
    """Send entries of level INFO and above to stderr in the program's name; replaces what was configured."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter(program))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
