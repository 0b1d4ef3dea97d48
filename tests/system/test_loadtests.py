"""The measuring tools tell the truth: a stall shows in the tail, a slow edge fails, no text is lost."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import pytest

from loadtests.bench.figures import Section, Target
from loadtests.bench.report import BEGIN, END, render_section, render_targets, write_into
from loadtests.bus.freshness import Count, delays_s
from loadtests.campaign.verdict import Latencies
from loadtests.constant_rate import offer, pooled_percentile_ms

ANSWER = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"
STALL_S = 0.5


@contextmanager
def server_that_stalls_at(request: int) -> Iterator[int]:
    """A server of one connection that answers at once, but waits `STALL_S` before it answers this request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                answered = 0
                while connection.recv(65_536):
                    answered += 1
                    if answered == request:
                        time.sleep(STALL_S)
                    connection.sendall(ANSWER)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_requests_that_were_due_in_a_stall_count_with_all_their_waiting() -> None:
    # A closed loop would see one slow request of 1,000, so a p99 of next to nothing. Here half of those due
    # in the stall waited for at least half of it: 125 of 1,000.
    with server_that_stalls_at(100) as port:
        offered = offer(port, repeat(b"GET / HTTP/1.1\r\n\r\n"), rate=500, seconds=2, connections=1)
    assert (offered.requests, offered.failed) == (1_000, 0)
    assert offered.p99_ms > STALL_S * 1e3 * 0.9
    assert offered.max_ms >= STALL_S * 1e3
    assert offered.p50_ms < offered.p99_ms
    assert pooled_percentile_ms([offered], 0.99) == pytest.approx(offered.p99_ms, abs=0.001)
    undisturbed = replace(offered, latencies_us=[(100, 9_000)])
    assert pooled_percentile_ms([offered, undisturbed], 0.5) == 0.1
    assert pooled_percentile_ms([offered, undisturbed], 0.99) < offered.p99_ms


def test_an_answer_that_is_no_redirect_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(ANSWER.replace(b"302 Found", b"404 Not Found"))

        thread = threading.Thread(target=serve)
        thread.start()
        offered = offer(
            listener.getsockname()[1], repeat(b"GET / HTTP/1.1\r\n\r\n"), rate=10, seconds=0.1, connections=1
        )
        thread.join()
    assert (offered.requests, offered.failed) == (0, 1)


def _latencies(edge_ms: float, *, failed: bool = False) -> Latencies:
    latencies = Latencies()
    for _ in range(200):
        latencies.add("nginx", 3.0, failed=False)
        latencies.add("recipient", edge_ms, failed=failed)
        latencies.add("viral link", 3.0, failed=False)
    return latencies


def test_the_load_test_holds_while_the_edge_is_near_nginx() -> None:
    assert _latencies(edge_ms=4.0).judge().holds


@pytest.mark.parametrize(
    ("latencies", "fault"),
    [
        (_latencies(edge_ms=30.0), "recipient: p99 of 30.00 ms exceeds"),
        (_latencies(edge_ms=3.0, failed=True), "recipient: 200 requests failed"),
        (Latencies(), "recipient: no requests"),
    ],
)
def test_the_load_test_fails(latencies: Latencies, fault: str) -> None:
    verdict = latencies.judge()
    assert not verdict.holds
    assert verdict.faults[0].startswith(fault)
    assert fault in verdict.render()


def test_a_missed_target_stands_out_and_the_text_around_the_figures_stays(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{BEGIN}old{END}after\n")
    target = Target("CPU a redirect", 2.5, 2.0)
    section = Section("A redirect", "How.", ("case", "CPU"), [("cached", "2.5")], [target])
    write_into(document, render_targets([target]) + render_section(section))
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}")
    assert text.endswith(f"{END}after\n")
    assert "old" not in text
    assert "| CPU a redirect | 2.5 x nginx | at most 2 | **missed** |" in text
    assert "| cached | 2.5 |" in text


def test_a_click_is_as_old_as_the_first_report_that_counts_it() -> None:
    counts = [Count(at_s, 0.1, clicks) for at_s, clicks in ((1.0, 0), (2.0, 2), (3.0, 2), (4.0, 5))]
    # Due at 1.0, 1.5, 2.0, 2.5 and so on; the sixth is in no report.
    assert delays_s(counts, began_s=1.0, rate=2.0, clicks=6) == [1.0, 0.5, 2.0, 1.5, 1.0, float("inf")]
