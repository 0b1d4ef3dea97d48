"""The data folder belongs to one running system at a time.

The lock is an flock on an open file that every child inherits: it is free again only when the supervisor
and all that it started are gone. So a start after a kill -9 waits until the last of them has let go of the
data, and can't run a second Redis or warehouse over the same files.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Final, TextIO

_LET_GO_WITHIN_S: Final = 15.0
_POLL_S: Final = 0.05


class DataDirError(Exception):
    """The folder can't be used; the text is one line that says why and what to do."""


def claim(data_dir: Path) -> TextIO:
    """Make the folder and take its lock; keep the file open, and pass it on to children.

    Raises `DataDirError` where another system runs on it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("a+")
    except OSError as error:
        raise DataDirError(
            f"SMARTLINKS_DATA_DIR={data_dir}: can't be made or written: {error.strerror}"
        ) from None
    deadline_s = time.monotonic() + _LET_GO_WITHIN_S
    while not _locked(lock):
        owner = _owner(lock)
        if owner is not None and _is_alive(owner):
            raise DataDirError(
                f"Smart Links is already running on {data_dir} (process {owner}); stop it, "
                f"or set SMARTLINKS_DATA_DIR to another folder"
            )
        if time.monotonic() > deadline_s:
            raise DataDirError(
                f"Processes of an earlier start still use {data_dir}: end them (fuser {lock.name})"
            )
        time.sleep(_POLL_S)
    lock.seek(0)
    lock.truncate()
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def is_running(data_dir: Path) -> bool:
    """Whether a system runs on the folder now."""
    try:
        with (data_dir / "lock").open() as lock:
            return not _locked(lock)
    except OSError:
        return False


def _locked(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(lock: TextIO) -> int | None:
    lock.seek(0)
    text = lock.read().strip()
    return int(text) if text.isdigit() else None


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
