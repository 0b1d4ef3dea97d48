"""Whatever kills ingest, and whenever: every spooled click is in the table and in every view exactly once."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from edge.contract import SpoolWriter, frame
from tests.fixtures.ports import free_ports
from tests.fixtures.system import ROOT, wait_until
from tests.ingest.click_events import click_json
from tests.ingest.ingest_program import POINTS

KILLS_A_POINT = 4
MONTH_END_MS = 1_790_812_800_000  # 2026-10-01


class Spools:
    """Writers of a data folder, and how many clicks each has spooled. Times run over the end of a month.

    One event that is no click comes with every lot of clicks; `dead` counts them.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self.dead = 0
        self.spooled: dict[int, int] = {}
        self._writers: list[SpoolWriter] = []

    def open_writer(self) -> SpoolWriter:
        writer = SpoolWriter(self._data_dir / "spool" / "clicks", segment_bytes=200_000)
        self._writers.append(writer)
        self.spooled[writer.source] = 0
        return writer

    def spool(self, writer: SpoolWriter, count: int) -> None:
        frames = [frame(b"{}")]
        self.dead += 1
        for _ in range(count):
            seq = writer.take_seq()
            ts = MONTH_END_MS + (seq - 1_000) * 1_000
            frames.append(frame(click_json(source=writer.source, seq=seq, ts=ts, link=1 + seq % 7)))
        writer.append(b"".join(frames))
        self.spooled[writer.source] += count

    def close(self, writer: SpoolWriter) -> None:
        self._writers.remove(writer)
        writer.close()

    def close_all(self) -> None:
        for writer in tuple(self._writers):
            self.close(writer)


@pytest.fixture
def spools(tmp_path: Path) -> Iterator[Spools]:
    made = Spools(tmp_path)
    yield made
    made.close_all()


def ingest(data_dir: Path, point: str = "none", nth: int = 1) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tests.ingest.ingest_program", str(data_dir), point, str(nth)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=200,
    )


def assert_counted_once(spools: Spools, counts: dict[str, Any]) -> None:
    spooled = spools.spooled
    assert counts["dead"] == [[spools.dead]]
    assert sorted(counts["clicks"]) == sorted([source, n, n, n] for source, n in spooled.items())
    assert sorted(counts["sources"]) == sorted([source, n, n] for source, n in spooled.items())
    assert counts["quarters"] == [[sum(spooled.values())]]


@pytest.mark.drill
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_again_and_again(tmp_path: Path, spools: Spools, point: str) -> None:
    living = spools.open_writer()
    for kill in range(KILLS_A_POINT):
        dead = spools.open_writer()
        spools.spool(dead, 1_500)
        spools.close(dead)
        spools.spool(living, 1_100)
        killed = ingest(tmp_path, point, 1 + kill)
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    done = ingest(tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert_counted_once(spools, orjson.loads(done.stdout))


@pytest.mark.drill
def test_the_program_itself_killed_at_random_moments(tmp_path: Path, spools: Spools) -> None:
    assert ingest(tmp_path).returncode == 0  # makes the tables
    (port,) = free_ports(1)
    environment = {
        "PATH": os.environ["PATH"],
        "SMARTLINKS_DATA_DIR": str(tmp_path),
        "SMARTLINKS_METRICS_PORT": str(port - 1),
    }
    chance = random.Random(20261122)
    living = spools.open_writer()
    for _ in range(6):
        spools.spool(living, 4_000)
        with subprocess.Popen([sys.executable, "-m", "ingest"], cwd=ROOT, env=environment) as program:
            wait_until("ingest ready", lambda: _is_ready(port))
            with pytest.raises(subprocess.TimeoutExpired):
                program.wait(chance.uniform(0, 0.4))
            program.kill()
    spools.close_all()
    done = ingest(tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert_counted_once(spools, orjson.loads(done.stdout))


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
