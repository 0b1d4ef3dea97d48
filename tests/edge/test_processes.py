"""`python -m edge` as operators see it: workers that die, a parent that dies, signals, metrics."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

from edge.contract import EdgeLink, open_link_store
from edge.worker_settings import WorkerSettings
from tests.edge.conftest import DESTINATION
from tests.fixtures.ports import free_port
from tests.fixtures.redis import RedisServer
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN, stood_in_line_s, stopwatch

pytestmark = RUN_AGAIN_IF_BROKEN

REPOSITORY = Path(__file__).parents[2]
DEADLINE_S = 180


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


class EdgeProgram:
    """The program, its ports and its processes."""

    def __init__(
        self, redis_url: str, folder: Path, workers: int, *, port: int | None = None, **settings: str
    ) -> None:
        self.port, self.metrics_port = port or free_port(), free_port()
        self.spool = folder / "spool" / "clicks"
        environment = {
            "PATH": os.environ["PATH"],
            "SMARTLINKS_REDIS_URL": redis_url,
            "SMARTLINKS_DATA_DIR": str(folder),
            "SMARTLINKS_EDGE_HOST": "127.0.0.1",
            "SMARTLINKS_EDGE_PORT": str(self.port),
            "SMARTLINKS_EDGE_WORKERS": str(workers),
            "SMARTLINKS_METRICS_PORT": str(self.metrics_port),
            **settings,
        }
        self.started = monotonic()
        self.process = subprocess.Popen([sys.executable, "-m", "edge"], cwd=REPOSITORY, env=environment)

    def status(self, path: str = "/own12345") -> int:
        """The status of a GET on a connection of its own; 0 where none could be made."""
        return _status(f"http://127.0.0.1:{self.port}{path}")

    def is_ready(self) -> bool:
        return _status(f"http://127.0.0.1:{self.metrics_port}/readyz") == 200

    def metric(self, line: str) -> float:
        """The value of a sample, named as in the exposition."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=DEADLINE_S
        ) as reply:
            samples = dict(
                sample.rsplit(" ", 1) for sample in reply.read().decode().splitlines() if sample[0] != "#"
            )
        return float(samples.get(line, "nan"))

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def clicks(self) -> int:
        return sum(log.read_bytes().count(b"\n") for log in self.spool.glob("*/*.log"))


def _status(url: str) -> int:
    opener = urllib.request.build_opener(NoRedirect)
    try:
        with opener.open(url, timeout=DEADLINE_S) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return 0


def wait_until(
    condition: Callable[[], bool],
    *,
    promised_s: float | None = None,
    excused_s: Callable[[], float] = lambda: 0.0,
) -> None:
    """Wait; with a promise raise `BrokenPromiseError` where it took longer, less what is excused."""
    begun = stopwatch.start()
    while not condition():
        assert monotonic() - begun < DEADLINE_S, "did not happen in time"
        sleep(0.01)
    if promised_s is not None:
        stopwatch.check(begun, promised_s, excused_s=excused_s())


@contextmanager
def running(redis: RedisServer, folder: Path, workers: int = 1, **settings: str) -> Iterator[EdgeProgram]:
    async def put() -> None:
        store = open_link_store(redis.url)
        await store.put_link("lnk_1", 1, EdgeLink(1, "t", "own12345", "", DESTINATION), b"{}")
        await store.claim_codes("", ["own12345"], 1)
        await store.mark_whole(1)
        await store.close()

    asyncio.run(put())
    program = EdgeProgram(redis.url, folder, workers, **settings)
    children: list[psutil.Process] = []
    try:
        wait_until(program.is_ready)
        children = program.workers()
        yield program
    finally:
        if program.process.poll() is None:
            children = program.workers()
            program.process.kill()
        program.process.wait()
        psutil.wait_procs(children, timeout=DEADLINE_S)
        for child in children:
            if child.is_running():
                child.kill()


def test_it_serves_counts_and_stops_at_once(redis_server: RedisServer, tmp_path: Path) -> None:
    with running(redis_server, tmp_path, workers=2) as program:
        assert len(program.workers()) == 2
        for _ in range(20):
            assert program.status() == 302
        assert program.status("/unknown1") == 404
        wait_until(lambda: program.metric('smartlinks_edge_requests_total{outcome="redirected"}') == 20)
        assert program.metric("smartlinks_edge_clicks_spooled_total") == 21, "the miss is an orphan"
        assert program.metric("smartlinks_edge_clicks_dropped_total") == 0
        asked = stopwatch.start()
        program.process.terminate()
        assert program.process.wait(timeout=DEADLINE_S) == 0
        stopwatch.check(asked, 3)
        assert program.clicks() == 21


def test_a_killed_worker_is_replaced_within_two_seconds(redis_server: RedisServer, tmp_path: Path) -> None:
    with running(redis_server, tmp_path) as program:
        [worker] = program.workers()
        worker.kill()
        worker.wait(timeout=DEADLINE_S)
        wait_until(
            lambda: program.status() == 302,
            promised_s=2,
            excused_s=lambda: stood_in_line_s(*program.workers()),
        )
        assert program.workers() != [worker]


@pytest.mark.drill
def test_killed_workers_lose_no_answered_click(redis_server: RedisServer, tmp_path: Path) -> None:
    with running(redis_server, tmp_path, workers=2) as program:
        answered = 0
        for _ in range(10):
            victim = program.workers()[0]
            for _ in range(20):
                answered += program.status() == 302
            victim.kill()
            victim.wait(timeout=DEADLINE_S)
            answered += program.status() == 302
            wait_until(lambda: len(program.workers()) == 2)
            wait_until(program.is_ready)
        # A worker may be killed between the write of a click and the sending of its answer.
        assert answered <= program.clicks() <= answered + 10


def test_workers_end_with_their_parent(redis_server: RedisServer, tmp_path: Path) -> None:
    with running(redis_server, tmp_path, workers=2) as program:
        workers = program.workers()
        program.process.kill()
        program.process.wait()
        _, alive = psutil.wait_procs(workers, timeout=DEADLINE_S)
        assert alive == []


def test_a_worker_ends_with_a_parent_that_left_its_reports_unread(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    ours, theirs = socket.socketpair()
    for_worker = WorkerSettings(redis_server.url, tmp_path, "127.0.0.1", free_port(), "localhost")
    with theirs:
        worker = subprocess.Popen(
            [sys.executable, "-m", "edge.worker", str(theirs.fileno())],
            cwd=REPOSITORY,
            pass_fds=[theirs.fileno()],
        )
    ours.sendall(for_worker.to_json() + b"\n")
    ours.recv(1, socket.MSG_PEEK)  # a report has come, and stays unread
    idle_client = socket.create_connection((for_worker.host, for_worker.port))
    ours.close()
    assert worker.wait(timeout=DEADLINE_S) == 0
    idle_client.close()


def test_a_draining_worker_answers_once_more_and_closes(redis_server: RedisServer, tmp_path: Path) -> None:
    with running(redis_server, tmp_path) as program:

        async def ask_across_the_drain() -> list[bytes]:
            reader, writer = await asyncio.open_connection("127.0.0.1", program.port)
            replies = [b""]
            while b"Connection: close" not in replies[-1]:
                writer.write(b"GET /own12345 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                replies.append(await reader.readuntil(b"\r\n\r\n"))
                if len(replies) == 2:
                    program.process.terminate()
            replies.append(await reader.read())
            writer.close()
            return replies

        _, *answers, rest = asyncio.run(ask_across_the_drain())
        assert all(answer.startswith(b"HTTP/1.1 302") for answer in answers)
        assert rest == b""
        assert program.process.wait(timeout=DEADLINE_S) == 0


def test_readiness_follows_redis(own_redis: RedisServer, tmp_path: Path) -> None:
    with running(own_redis, tmp_path) as program:
        own_redis.stop()
        wait_until(lambda: not program.is_ready())
        assert program.status() == 503
        own_redis.start()
        wait_until(program.is_ready, promised_s=2)


def test_without_a_redis_url_it_says_what_to_do(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "edge"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "SMARTLINKS_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "SMARTLINKS_REDIS_URL" in ended.stderr
    assert "make run" in ended.stderr


@pytest.mark.parametrize("taken", ["SMARTLINKS_METRICS_PORT", "SMARTLINKS_EDGE_PORT"])
def test_a_taken_port_is_one_line(redis_server: RedisServer, tmp_path: Path, taken: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "edge"],
            cwd=REPOSITORY,
            env={
                "PATH": os.environ["PATH"],
                "SMARTLINKS_REDIS_URL": redis_server.url,
                "SMARTLINKS_DATA_DIR": str(tmp_path),
                "SMARTLINKS_EDGE_PORT": str(free_port()),
                "SMARTLINKS_METRICS_PORT": str(free_port()),
                taken: port,
            },
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert ended.returncode == 1
        assert len(ended.stderr.splitlines()) == 1, ended.stderr
        assert port in ended.stderr


def test_sigint_to_the_group_is_left_to_the_parent(redis_server: RedisServer, tmp_path: Path) -> None:
    with running(redis_server, tmp_path) as program:
        [worker] = program.workers()
        worker.send_signal(signal.SIGINT)
        assert program.status() == 302
        assert worker.is_running()
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(timeout=DEADLINE_S) == 0
