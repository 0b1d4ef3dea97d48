"""A disk that something else fills to the last byte: the warehouse's, and that of a whole machine."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ingest.contract import WarehouseError, WarehouseUnavailableError, open_warehouse
from tests.drills.clients import clicking
from tests.drills.one_machine import API, INGEST, in_engine, mint_paths, one_machine
from tests.drills.processes import counts, loaded, told
from tests.drills.report import Outcome
from tests.drills.site import Site, running_site
from tests.fixtures.system import System, wait_until

DISK_MB: Final = 512
MENDED_WITHIN_S: Final = 240.0
EDGE: Final = 0


def fill_warehouse_disk(folder: Path, *, fills: int = 5, full_s: float = 5.0) -> Outcome:
    """The server's folder is a disk of its own.

    A merge that is under way may break its part then, which the aggregator mends within minutes.
    """
    with _small_disk(folder / "disk") as disk, running_site(folder, clickhouse_folder=disk) as site:
        with loaded(site) as (clients, crowd):
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


def fill_machine_disk(folder: Path, *, fills: int = 3, full_s: float = 6.0) -> Outcome:
    """Spool, Redis and warehouse of one machine have a disk together.

    Clicks that find no room are lost by design; each must be told of, and no redirect may fail.
    """
    with _small_disk(folder / "disk") as disk, one_machine(disk) as system:
        system.start()
        with clicking(system.edge_port, mint_paths(system)) as clients:
            for _ in range(fills):
                _await_stored(system, more=500)
                dropped = _dropped(system)
                _fill(disk / "ballast")
                wait_until("clicks dropped", lambda before=dropped: _dropped(system) > before)  # type: ignore[misc] # bound now
                time.sleep(full_s)  # it stays full
                (disk / "ballast").unlink()
                wait_until("all programs ready", lambda: all(map(system.is_ready, range(API + 1))))
            _await_stored(system, more=500)
        wait_until("an empty spool", lambda: system.metric(INGEST, "smartlinks_ingest_lag_bytes") == 0.0)
        dropped, answered = _dropped(system), len(clients.answered)
        wait_until(
            "all mended", lambda: _ledger_rows(system) == answered - dropped, deadline_s=MENDED_WITHIN_S
        )
        code = system.stop(deadline_s=60)
        rows, distinct = in_engine(_count, system.data_dir / "warehouse")
    misses = [f"{count} times {status}" for status, count in clients.statuses.items() if status != 302]
    if not rows == distinct == answered - dropped:
        misses.append(f"{rows:,} rows, {distinct:,} distinct, not {answered - dropped:,}")
    if code:
        misses.append(f"it ended with {code}")
    came = f"full {fills} times for {full_s:.0f} s; {answered:,} times 302 and nothing else"
    return Outcome(f"{came}, {dropped:,} told of as lost, {rows:,} rows; balanced", tuple(misses))


def _await_stored(system: System, *, more: int) -> None:
    def stored() -> float:
        return system.metric(INGEST, "smartlinks_ingest_stored_total") or 0.0

    before = stored()
    wait_until(f"{more} more clicks stored", lambda: stored() >= before + more)


def _dropped(system: System) -> int:
    return round(system.metric(EDGE, "smartlinks_edge_clicks_dropped_total") or 0)


def _ledger_rows(system: System) -> int | None:
    """None while it does not balance."""
    with system.api as api:
        ledger = api.get("/v1/ledger").json()
    return int(ledger["rows"]) if ledger["balanced"] else None


def _count(warehouse_dir: Path) -> tuple[int, int]:
    """How many rows there are, and how many distinct clicks: each has a referer of its own."""
    warehouse = open_warehouse(None, folder=warehouse_dir)
    ((rows, distinct),) = warehouse.query("SELECT count(), uniqExact(referer) FROM clicks")
    warehouse.close()
    return int(str(rows)), int(str(distinct))


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
