"""Mints a million recipients by one request, and tells the rate and the memory of both sides.

    .venv/bin/python -m loadtests.bulk [count ...]

Several counts are so many requests to the same server, one after another. It starts the whole system in a
folder of its own, on free ports.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from api.client import Client, UnreachableError
from loadtests.processes import cpu_s, resident_bytes

KEY: Final = "a-service-key-for-the-load-test"
PORTS: Final = {"EDGE": 18480, "API": 18400, "METRICS": 18500}
START_S: Final = 60.0
SAMPLES: Final = 10
_MB: Final = 1_000_000


@contextmanager
def running_system(folder: Path) -> Iterator[int]:
    """The process that hosts ingest, aggregator and api, by its id."""
    environment = {
        **os.environ,
        **{f"SMARTLINKS_{name}_PORT": str(port) for name, port in PORTS.items()},
        "SMARTLINKS_DATA_DIR": str(folder / "var"),
        "SMARTLINKS_EDGE_HOST": "127.0.0.1",
        "SMARTLINKS_EDGE_WORKERS": "1",
        "SMARTLINKS_ADMIN_KEY": KEY,
    }
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "deploy.standalone"]
        with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as system:
            try:
                _wait_until_ready(system)
                children = psutil.Process(system.pid).children()
                (analytics,) = [each for each in children if "analytics" in " ".join(each.cmdline())]
                yield analytics.pid
            finally:
                system.terminate()


def _wait_until_ready(system: "subprocess.Popen[bytes]") -> None:
    ends_s = time.monotonic() + START_S
    while time.monotonic() < ends_s and system.poll() is None:
        try:
            with Client(f"http://127.0.0.1:{PORTS['API']}", KEY) as client:
                client.list_links(limit=1)
        except UnreachableError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("The system does not start.")


def mint(count: int, server_pid: int) -> None:
    """Mint, and print a line a tenth: how many, the rate so far, and the resident memory of both."""
    recipients = ({"recipient": f"+4477{number:09d}"} for number in range(count))
    with Client(f"http://127.0.0.1:{PORTS['API']}", KEY) as client:
        link = client.make_link(destination_url="https://www.example.com/")
        began_s, server_began_s = time.monotonic(), cpu_s(server_pid)
        done = 0
        for minted in client.mint(link["id"], recipients):
            if "code" not in minted:
                raise SystemExit(f"refused: {minted}")
            done += 1
            if done % max(1, count // SAMPLES) == 0:
                seconds = time.monotonic() - began_s
                print(
                    f"{done:>9,} recipients, {done / seconds:>7,.0f} a second,"
                    f" server {resident_bytes(server_pid) / _MB:,.0f} MB,"
                    f" client {resident_bytes(os.getpid()) / _MB:,.0f} MB",
                    flush=True,
                )
        server_us = (cpu_s(server_pid) - server_began_s) / count * 1e6
        print(f"{server_us:.1f} µs of the server's CPU a recipient")
        if done != count or client.read_link(link["id"])["links_sent_30d"] != count:
            raise SystemExit("not every recipient has a code")


def main() -> None:
    counts = [int(count) for count in sys.argv[1:]] or [1_000_000]
    with (
        tempfile.TemporaryDirectory(prefix="bulk-", dir="/tmp") as folder,
        running_system(Path(folder)) as server_pid,
    ):
        for count in counts:
            mint(count, server_pid)


if __name__ == "__main__":
    main()
