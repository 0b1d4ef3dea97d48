"""Exports clicks as CSV, NDJSON and Parquet; tells the rate and how far the server's memory grew.

    .venv/bin/python -m loadtests.export [rows ...]

It makes the clicks in a warehouse of its own, starts the whole system on it, on free ports, and waits until
the aggregator has rolled them up. Fewer rows are those of a part of the day. Each file is counted.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
import pyarrow.parquet as pq

from aggregator.contract import migrate
from api.auth import DEFAULT_TENANT
from ingest.chdb import ChdbWarehouse
from loadtests.bulk import KEY, PORTS, running_system
from loadtests.processes import cpu_s, resident_bytes

ROWS: Final = (1_000_000, 5_000_000, 10_000_000)
KINDS: Final = ("csv", "ndjson", "parquet")
DAY: Final = timedelta(days=1)
IDLE_LOOK_S: Final = 3.0
IDLE_WITHIN_S: Final = 600.0
_MB: Final = 1_000_000
_MAKE: Final = """
INSERT INTO clicks (tenant, link, ts, source, seq, verdict, visitor, country, browser, ip, user_agent)
SELECT {tenant:String}, number % 1000,
    fromUnixTimestamp64Milli({begin:Int64} + intDiv(number * 86400000, {rows:UInt64}), 'UTC'), 1,
    number, 'human', cityHash64(number), 'GB', 'Chrome', concat('203.0.113.', toString(number % 250)),
    concat('Mozilla/5.0 (Linux; Android 14) Chrome/', toString(number % 1000))
FROM numbers({rows:UInt64})
"""


def make_clicks(folder: str, rows: str, begin: str) -> None:
    """All as texts, for a command line: so many clicks over the day from `begin` (RFC 3339) on."""
    warehouse = ChdbWarehouse(Path(folder), "smartlinks")
    migrate(warehouse)
    begin_ms = int(datetime.fromisoformat(begin).timestamp() * 1000)
    parameters = {"tenant": DEFAULT_TENANT, "rows": int(rows), "begin": begin_ms}
    warehouse.command(_MAKE, parameters)
    warehouse.close()


@contextmanager
def peak_of(pid: int) -> Iterator[list[int]]:
    """The highest resident memory of a process in bytes, looked at twenty times a second."""
    peak, done = [resident_bytes(pid)], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], resident_bytes(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def wait_until_idle(pid: int) -> None:
    """Until the process uses less than a third of a core: at rest it looks for news all the time."""
    ends_s = time.monotonic() + IDLE_WITHIN_S
    while time.monotonic() < ends_s:
        before_s = cpu_s(pid)
        time.sleep(IDLE_LOOK_S)
        if cpu_s(pid) - before_s < IDLE_LOOK_S / 3:
            return
    raise SystemExit("The server does not come to rest.")


def export(kind: str, begin: datetime, span: timedelta, rows: int, server_pid: int, file: Path) -> None:
    """Read one export into the file, check that all is there, and print a line of the table."""
    before, cpu_before_s, began_s = resident_bytes(server_pid), cpu_s(server_pid), time.monotonic()
    parameters = {"format": kind, "from": begin.isoformat(), "to": (begin + span).isoformat()}
    lines = 0
    with (
        peak_of(server_pid) as peak,
        file.open("wb") as output,
        httpx.Client(base_url=f"http://127.0.0.1:{PORTS['API']}", timeout=60) as client,
        client.stream("GET", "/v1/clicks", params=parameters, headers={"Key": KEY}) as answer,
    ):
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            lines += chunk.count(b"\n")
            output.write(chunk)
    seconds = time.monotonic() - began_s
    counted = {"csv": lines - 1, "ndjson": lines}.get(kind) or pq.read_metadata(file).num_rows
    if counted != rows:
        raise SystemExit(f"{counted:,} rows came, not {rows:,}")
    cpu_us = (cpu_s(server_pid) - cpu_before_s) / rows * 1e6
    print(
        f"| {rows:,} | {kind} | {file.stat().st_size / _MB:,.0f} | {seconds:,.1f} | {rows / seconds:,.0f}"
        f" | {cpu_us:.1f} | {before / _MB:,.0f} | {peak[0] / _MB:,.0f} | {(peak[0] - before) / _MB:,.0f} |",
        flush=True,
    )
    file.unlink()


def main() -> None:
    all_rows = sorted(map(int, sys.argv[1:])) or list(ROWS)
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    with tempfile.TemporaryDirectory(prefix="export-", dir="/tmp") as scratch:
        folder = Path(scratch)
        # In a process of its own: the engine that made the clicks is to be gone when the system opens them.
        arguments = [str(folder / "var" / "warehouse"), str(all_rows[-1]), begin.isoformat()]
        make = "import sys; from loadtests.export import make_clicks; make_clicks(*sys.argv[1:])"
        subprocess.run([sys.executable, "-c", make, *arguments], check=True)
        with running_system(folder) as server_pid:
            wait_until_idle(server_pid)
            print(
                "| rows | as | MB | seconds | rows a second | server's CPU µs a row"
                " | server before, MB | at most, MB | growth, MB |\n" + "| --- " * 9 + "|",
                flush=True,
            )
            for kind in KINDS:
                for rows in all_rows:
                    span = DAY * rows / all_rows[-1]
                    export(kind, begin, span, rows, server_pid, folder / "export")


if __name__ == "__main__":
    main()
