"""A worker whose files may not grow: the kernel takes a part of a write. Each click is whole, or told of."""

import json
import socket
from pathlib import Path

import psutil

from edge.contract import cut_records
from tests.edge.test_processes import EdgeProgram, running, wait_until
from tests.fixtures.redis import RedisServer

CLICKS = 40
REQUEST = b"GET /own12345 HTTP/1.1\r\nHost: localhost\r\n\r\n"


def click(program: EdgeProgram, times: int) -> None:
    """Clicks, each answered before the next."""
    with socket.create_connection(("127.0.0.1", program.port), timeout=180) as connection:
        answers = connection.makefile("rb")
        for _ in range(times):
            connection.sendall(REQUEST)
            head = [*iter(answers.readline, b"\r\n")]
            assert head[0] == b"HTTP/1.1 302 Found\r\n", "recipients land all the same"


def spooled(program: EdgeProgram) -> tuple[list[int], int, int]:
    """Sequence numbers of whole clicks, fragments, and segments."""
    logs = sorted(program.spool.glob("*/*.log"))
    cuts = [cut_records(log.read_bytes(), finished=True) for log in logs]
    return (
        [json.loads(value)["seq"] for cut in cuts for value in cut.values],
        sum(cut.damaged for cut in cuts),
        len(logs),
    )


def test_each_click_is_whole_or_told_of(redis_server: RedisServer, tmp_path: Path) -> None:
    with running(redis_server, tmp_path) as program:
        click(program, 1)
        [worker] = program.workers()
        [log] = program.spool.glob("*/*.log")
        bytes_a_click = log.stat().st_size
        _, hard = worker.rlimit(psutil.RLIMIT_FSIZE)
        worker.rlimit(psutil.RLIMIT_FSIZE, (5 * bytes_a_click // 2, hard))
        click(program, CLICKS)
        worker.rlimit(psutil.RLIMIT_FSIZE, (hard, hard))
        click(program, CLICKS)
        whole, fragments, segments = spooled(program)
        lost = 1 + 2 * CLICKS - len(whole)
        assert whole == sorted(set(whole))
        assert whole[-CLICKS:] == [*range(2 + CLICKS, 2 + 2 * CLICKS)], "then all is well again"
        assert 0 < fragments == lost < CLICKS
        assert segments > fragments, "nothing follows a fragment in its segment"
        wait_until(lambda: program.metric("smartlinks_edge_clicks_dropped_total") == lost)
        assert program.metric("smartlinks_edge_clicks_spooled_total") == len(whole)
        assert worker.is_running()
