"""The warehouse killed, paused, and out of disk, while clicks go on."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ingest.contract import WarehouseError, WarehouseUnavailableError
from tests.drills.clients import Clients, Crowd, clicking
from tests.drills.processes import CROWD_RATE, SPOOLS, counts, told
from tests.drills.report import Outcome
from tests.drills.site import PATH, Site, running_site
from tests.fixtures.system import wait_until

DRAIN_FACTOR: Final = 2.0
CAUGHT_UP_S: Final = 2.0  # a lag of no more than this many seconds' clicks is what there is at any time
DISK_MB: Final = 512
MENDED_WITHIN_S: Final = 240.0


def kill_warehouse(folder: Path, *, kills: int = 10) -> Outcome:
    """Each time it is gone for a second, and must store again before it is killed once more."""
    with running_site(folder) as site:
        with _load(site) as (clients, crowd):
            for _ in range(kills):
                site.await_progress(more=500)
                site.clickhouse.kill()
                time.sleep(1)  # it is down
                site.clickhouse.start()
        sent = told(clients, crowd)
        misses = site.settle(sent)
        return Outcome(f"{kills} kills; {counts(site, sent)}", misses)


def pause_warehouse(folder: Path, *, pauses: int = 5, paused_s: float = 30.0) -> Outcome:
    """Connections stay open and nothing is answered; then the lag must drain at twice the arrival rate."""
    factors: list[float] = []
    with running_site(folder) as site:
        with _load(site) as (clients, crowd):
            for _ in range(pauses):
                site.await_progress(more=500)
                site.clickhouse.pause()
                time.sleep(paused_s)  # it is paused
                site.clickhouse.resume()
                factors.append(_drain(site, clients, crowd))
        sent = told(clients, crowd)
        misses = site.settle(sent)
        slowest = min(factors)
        slow = (f"the lag drained at {slowest:.1f} times the arrival rate",) if slowest < DRAIN_FACTOR else ()
        came = (
            f"{pauses} pauses of {paused_s:.0f} s, drained at {slowest:.1f} times the arrival rate or faster"
        )
        return Outcome(f"{came}; {counts(site, sent)}", (*misses, *slow))


def fill_disk(folder: Path, *, fills: int = 5, full_s: float = 5.0) -> Outcome:
    """The server's folder is a disk of its own, and something else takes all that is left of it.

    A merge that is under way may break its part then, which the aggregator mends within minutes.
    """
    with _small_disk(folder / "disk") as disk, running_site(folder, clickhouse_folder=disk) as site:
        with _load(site) as (clients, crowd):
            for _ in range(fills):
                site.await_progress(more=500)
                _fill(disk / "ballast")
                wait_until("ingest in trouble", lambda: not site.programs.is_ready("ingest"), deadline_s=60)
                time.sleep(full_s)  # it stays full
                (disk / "ballast").unlink()
                site.await_progress(more=500)
        began_s = time.monotonic()
        wait_until("all parts can be read", lambda: _is_readable(site), deadline_s=MENDED_WITHIN_S)
        mended_s = time.monotonic() - began_s
        sent = told(clients, crowd)
        misses = site.settle(sent)
        came = f"full {fills} times for {full_s:.0f} s, all parts readable {mended_s:.0f} s after the last"
        return Outcome(f"{came}; {counts(site, sent)}", misses)


def _is_readable(site: Site) -> bool:
    """Every column of every row. Starts ingest again where it ended because a table was being attached."""
    if site.programs.poll("ingest") is not None:
        site.programs.start("ingest")
    try:
        for table in ("clicks", "click_sources", "click_changes"):
            site.warehouse.query(f"SELECT count() FROM {table} WHERE NOT ignore(*)")
    except (WarehouseError, WarehouseUnavailableError):
        return False
    return True


@contextmanager
def _load(site: Site) -> Iterator[tuple[Clients, Crowd]]:
    with (
        clicking(site.system.edge_port, [PATH]) as clients,
        Crowd(site.spool_dir, spools=SPOOLS, rate=CROWD_RATE) as crowd,
    ):
        yield clients, crowd


def _drain(site: Site, clients: Clients, crowd: Crowd) -> float:
    """Wait until ingest has caught up; how many clicks it stored for each that arrived meanwhile."""

    def sent() -> int:
        return len(clients.answered) + crowd.clicks

    began_s, stored, arrived = time.monotonic(), site.stored(), sent()

    def has_caught_up() -> bool:
        rate = (sent() - arrived) / (time.monotonic() - began_s)
        return sent() - site.stored() <= rate * CAUGHT_UP_S

    wait_until("caught up", has_caught_up, deadline_s=120)
    return (site.stored() - stored) / max(1, sent() - arrived)


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, in memory. Raises `CalledProcessError` where we may not mount one."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    subprocess.run(["mount", *options], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(ballast: Path) -> None:
    """Write until there is no room for one more byte."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            block = bytes(size)
            try:
                while file.write(block):
                    pass
            except OSError:
                continue
