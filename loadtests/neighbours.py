"""The programs that a measurement needs, each on 127.0.0.1, pinned to a core, gone when it ends."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
SERVER_CORE: Final = "0"
LOAD_CORE: Final = "1"
DESTINATION: Final = "https://example.com/landing/page?campaign=spring"
START_DEADLINE_S: Final = 20.0

_NGINX_CONF: Final = Template("""
worker_processes 1;
daemon off;
pid $folder/nginx.pid;
error_log $folder/nginx.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path $folder/body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  server { listen 127.0.0.1:$port reuseport; location / { return 302 $destination; } }
}
""")


@dataclass(frozen=True, slots=True)
class Server:
    """A server on `port`, and the one process of it that answers."""

    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A Redis on a unix socket, without persistence."""

    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class EdgeProgram:
    """`python -m edge`: the parent, whose workers share `port`."""

    process: subprocess.Popen[bytes]
    port: int
    data_dir: Path

    @property
    def worker_pids(self) -> list[int]:
        return children_of(self.process.pid)

    @property
    def server(self) -> Server:
        """The first worker."""
        return Server(self.port, self.worker_pids[0])


def missing_programs(*names: str) -> list[str]:
    return [name for name in names if shutil.which(name) is None]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def spawn(
    arguments: list[str], core: str, log: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program on one core; what it prints is appended to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            ["taskset", "-c", core, *arguments],
            cwd=REPOSITORY,
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=output,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    process.wait(timeout=30)


def wait_until_accepting(address: str | tuple[str, int], log: Path) -> None:
    """Return when something listens at this unix socket's path, or host and port."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    deadline = time.monotonic() + START_DEADLINE_S
    while True:
        with socket.socket(family) as probe:
            if probe.connect_ex(address) == 0:
                return
        if time.monotonic() > deadline:
            sys.exit(f"nothing listens at {address}:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.01)


@contextmanager
def running_redis(folder: Path, core: str = LOAD_CORE) -> Iterator[RedisServer]:
    """A Redis of its own in `folder`, whose path must be short: it holds the socket."""
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "redis.sock", folder / "redis.log"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    process = spawn(["redis-server", *options, "--hash-max-ziplist-entries", "512"], core, log)
    try:
        wait_until_accepting(str(path), log)
        yield RedisServer(f"unix://{path}", process.pid)
    finally:
        end(process)


@contextmanager
def running_nginx(folder: Path, core: str = SERVER_CORE) -> Iterator[Server]:
    """Nginx with one worker, which answers everything with the same 302."""
    folder.mkdir(parents=True, exist_ok=True)
    port, conf, log = free_port(), folder / "nginx.conf", folder / "nginx.log"
    conf.write_text(_NGINX_CONF.substitute(folder=folder, port=port, destination=DESTINATION))
    process = spawn(["nginx", "-p", str(folder), "-c", str(conf), "-e", str(log)], core, log)
    try:
        wait_until_accepting(("127.0.0.1", port), log)
        yield Server(port, children_of(process.pid)[0])
    finally:
        end(process)


def spawn_edge(
    folder: Path,
    redis: RedisServer,
    port: int,
    *,
    metrics_port: int,
    core: str = SERVER_CORE,
    interpreted: bool = False,
) -> EdgeProgram:
    """Start an edge of one worker and return at once. It spools to `folder`/data.

    `interpreted`: as where there is no C compiler.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "SMARTLINKS_REDIS_URL": redis.url,
        "SMARTLINKS_DATA_DIR": str(folder / "data"),
        "SMARTLINKS_EDGE_HOST": "127.0.0.1",
        "SMARTLINKS_EDGE_PORT": str(port),
        "SMARTLINKS_EDGE_WORKERS": "1",
        "SMARTLINKS_METRICS_PORT": str(metrics_port),
        "SMARTLINKS_TRUSTED_PROXIES": "127.0.0.0/8",
        "SMARTLINKS_INTERPRETED": str(int(interpreted)),
    }
    process = spawn([sys.executable, "-m", "edge"], core, folder / "edge.log", settings)
    return EdgeProgram(process, port, folder / "data")


@contextmanager
def running_edge(
    folder: Path, redis: RedisServer, core: str = SERVER_CORE, *, interpreted: bool = False
) -> Iterator[EdgeProgram]:
    """An edge of one worker, once it listens."""
    ports = free_port(), free_port()
    edge = spawn_edge(folder, redis, ports[0], metrics_port=ports[1], core=core, interpreted=interpreted)
    try:
        wait_until_accepting(("127.0.0.1", edge.port), folder / "edge.log")
        yield edge
    finally:
        end(edge.process)


@contextmanager
def running_variant(name: str, folder: Path, redis: RedisServer, core: str = SERVER_CORE) -> Iterator[Server]:
    """One edge worker changed as `loadtests/bench/variants.py` says, once it listens."""
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), folder / "variant.log"
    arguments = [sys.executable, "-m", "loadtests.bench.variants", name, redis.url, str(folder), str(port)]
    process = spawn(arguments, core, log)
    try:
        wait_until_accepting(("127.0.0.1", port), log)
        yield Server(port, process.pid)
    finally:
        end(process)


def spooled_clicks(folder: Path) -> int:
    """Records in all spools under this folder."""
    return sum(log.read_bytes().count(b"\n") for log in folder.rglob("*.log") if log.name[0].isdigit())
