"""Run the scenarios against an edge, a Redis and an nginx of their own.

    python -m loadtests.campaign [--seconds 40] [--peak-users 156] [--report reports/loadtest.html]

Needs nginx, redis-server and taskset on PATH. Ends with 1 where requests fail, or where the edge's p99
exceeds its bound (`loadtests/campaign/verdict.py`).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from loadtests.minting import mint_campaign
from loadtests.neighbours import (
    LOAD_CORE,
    REPOSITORY,
    missing_programs,
    running_edge,
    running_nginx,
    running_redis,
)

CODES: Final = 200_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--peak-users", type=int, default=156, help="of 10 requests a second each")
    parser.add_argument("--report", type=Path, default=REPOSITORY / "reports" / "loadtest.html")
    options = parser.parse_args()
    if missing := missing_programs("nginx", "redis-server", "taskset"):
        sys.exit(f"not on PATH: {', '.join(missing)}")
    options.report.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="load-", dir="/tmp") as folder:  # a socket's path is short
        code = run(Path(folder), options.seconds, options.peak_users, options.report.absolute())
    print(f"report: {options.report}")
    sys.exit(code)


def run(folder: Path, seconds: int, peak_users: int, report: Path) -> int:
    """Locust's exit code."""
    with (
        running_redis(folder / "redis") as redis,
        running_nginx(folder / "nginx") as nginx,
        running_edge(folder / "edge", redis) as edge,
    ):
        codes = mint_campaign(redis.url, CODES)
        plan = folder / "plan.json"
        plan.write_text(
            json.dumps(
                {
                    "edge": f"http://127.0.0.1:{edge.port}",
                    "nginx": f"http://127.0.0.1:{nginx.port}",
                    "codes": codes[1:],
                    "viral": codes[0],
                    "seconds": seconds,
                    "peak_users": peak_users,
                }
            )
        )
        locust = [sys.executable, "-m", "locust", "-f", str(REPOSITORY / "loadtests/campaign/locustfile.py")]
        locust += [
            "--headless",
            "--only-summary",
            "--loglevel",
            "WARNING",
            "--html",
            str(report),
            "--exit-code-on-error",
            "1",
        ]
        environment = {**os.environ, "LOADTEST_PLAN": str(plan), "PYTHONPATH": str(REPOSITORY)}
        return subprocess.run(
            ["taskset", "-c", LOAD_CORE, *locust], cwd=REPOSITORY, env=environment, check=False
        ).returncode


if __name__ == "__main__":
    main()
