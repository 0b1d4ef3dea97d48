"""One line an entry, whatever a stranger puts into it."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

PROGRAM = """
import logging
from edge.contract import configure_logging
configure_logging("edge")
logging.getLogger("edge.lane").{statement}
"""


def log(statement: str) -> str:
    """What a program writes to stderr."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{statement}", statement)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == ""
    return ran.stderr


def test_an_entry_has_utc_time_program_level_and_message() -> None:
    line = log('warning("Redis is gone: %s", "refused")')
    time, rest = line.split(" ", 1)
    assert rest == "edge WARNING Redis is gone: refused\n"
    assert datetime.fromisoformat(time).tzinfo == UTC


def test_debug_entries_are_left_out() -> None:
    assert log('debug("noise")') == ""


def test_a_traceback_stays_on_its_line() -> None:
    line = log('error("broken", exc_info=ValueError("bad"))')
    assert line.count("\n") == 1
    assert "broken\\nValueError: bad" in line


def test_control_characters_are_escaped() -> None:
    line = log(r'warning("ua=%s", "a\r\nedge ERROR forged\x1b[31m\x9b\t\u00e9")')
    assert line.endswith("ua=a\\x0d\\nedge ERROR forged\\x1b[31m\\x9b\té\n")
