"""Reads all clicks of a tenant as CSV and as Parquet; tells the time and how far the server's memory grew.

    .venv/bin/python -m loadtests.export [rows]

It makes the clicks in a warehouse of its own, then starts the whole system on it, on free ports.
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

from aggregator.contract import migrate
from api.auth import DEFAULT_TENANT
from ingest.chdb import ChdbWarehouse
from loadtests.bulk import KEY, PORTS, running_system
from loadtests.processes import resident_bytes

_MB: Final = 1_000_000
_MAKE: Final = """
INSERT INTO clicks (tenant, link, ts, source, seq, verdict, visitor, country, browser, ip, user_agent)
SELECT {tenant:String}, number % 1000, fromUnixTimestamp64Milli({begin:Int64} + number % 86400000, 'UTC'), 1,
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


def export(kind: str, begin: datetime, server_pid: int) -> None:
    before = resident_bytes(server_pid)
    began_s, received = time.monotonic(), 0
    parameters = {
        "format": kind,
        "from": begin.isoformat(),
        "to": (begin + timedelta(days=1)).isoformat(),
    }
    with (
        peak_of(server_pid) as peak,
        httpx.Client(base_url=f"http://127.0.0.1:{PORTS['API']}", timeout=60) as client,
        client.stream("GET", "/v1/clicks", params=parameters, headers={"Key": KEY}) as answer,
    ):
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            received += len(chunk)
    print(
        f"{kind}: {received / _MB:,.0f} MB in {time.monotonic() - began_s:,.1f} s,"
        f" server {before / _MB:,.0f} MB before, {peak[0] / _MB:,.0f} MB at most",
        flush=True,
    )


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    with tempfile.TemporaryDirectory(prefix="export-", dir="/tmp") as scratch:
        folder = Path(scratch)
        # In a process of its own: the engine that made the clicks is to be gone when the system opens them.
        arguments = [str(folder / "var" / "warehouse"), str(rows), begin.isoformat()]
        make = "import sys; from loadtests.export import make_clicks; make_clicks(*sys.argv[1:])"
        subprocess.run([sys.executable, "-c", make, *arguments], check=True)
        with running_system(folder) as server_pid:
            print(f"{rows:,} rows", flush=True)
            for kind in ("csv", "parquet", "csv"):
                export(kind, begin, server_pid)


if __name__ == "__main__":
    main()
