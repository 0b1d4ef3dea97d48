"""POST /v1/sms/messages for 1,000 destinations with two links each: the same for all, and each its own.

    .venv/bin/python -m loadtests.sms [times]

It starts the whole system in a folder of its own, on free ports, and prints the median and the longest of so
many requests.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import httpx

from loadtests.bulk import KEY, PORTS, running_system
from loadtests.processes import cpu_s

DESTINATIONS: Final = 1_000
GOAL_S: Final = 1.0


def body(run: int, *, own: bool) -> dict[str, Any]:
    """Two URLs that nobody sent before: for all, or for each of the destinations."""
    if not own:
        numbers = [f"+4477009{at:05d}" for at in range(DESTINATIONS)]
        content = f"See https://www.example.com/{run}/a and https://www.example.com/{run}/b"
        return {"from": "Example", "to": numbers, "content": content, "shortenUrls": True}
    destinations = [
        {"to": f"+4477009{at:05d}", "substitutions": {"path": f"{run}/{at}"}} for at in range(DESTINATIONS)
    ]
    content = "See https://www.example.com/own/${path}/a and https://www.example.com/own/${path}/b"
    return {"from": "Example", "to": destinations, "content": content, "shortenUrls": True}


def measure(server_pid: int, times: int) -> bool:
    met = True
    with httpx.Client(
        base_url=f"http://127.0.0.1:{PORTS['API']}", headers={"Key": KEY}, timeout=60
    ) as client:
        for own in (False, True):
            took: list[float] = []
            before = cpu_s(server_pid)
            for run in range(times):
                began_s = time.perf_counter()
                answer = client.post("/v1/sms/messages", json=body(run, own=own))
                took.append(time.perf_counter() - began_s)
                messages = answer.raise_for_status().json()["messages"]
                codes = {link["shortUrl"] for message in messages for link in message["links"]}
                if len(codes) != 2 * DESTINATIONS:
                    raise SystemExit("not every destination has two short URLs of its own")
            cpu = (cpu_s(server_pid) - before) / times
            what = "URLs of their own" if own else "the same two URLs"
            print(
                f"{DESTINATIONS:,} destinations with {what}: median {statistics.median(took):.2f} s,"
                f" longest {max(took):.2f} s, {cpu:.2f} s of the server's CPU"
            )
            met = met and max(took) <= GOAL_S
    return met


def main() -> int:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with (
        tempfile.TemporaryDirectory(prefix="sms-", dir="/tmp") as folder,
        running_system(Path(folder)) as server_pid,
    ):
        return 0 if measure(server_pid, times) else 1


if __name__ == "__main__":
    sys.exit(main())
