"""Fills the running system with a simulated campaign and checks every count: `make demo`.

Ends with 0 when every number agrees and clicks reach the reports in time, else with 1.
"""

import asyncio
import logging
import random
import sys
from pathlib import Path
from typing import Final

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.demo import live
from deploy.demo.admin import Admin, AdminError
from deploy.demo.agents import People
from deploy.demo.history import make_history
from deploy.demo.past_edge import WrongAnswerError
from deploy.demo.running_system import NotRunningError, RunningSystem, find
from deploy.demo.verification import verify
from deploy.standalone import environment, node_packages
from edge.contract import SettingsError, load

PROJECT: Final = Path(__file__).parent
ROOT: Final = PROJECT.parents[1]
SAMPLE: Final = PROJECT / "node_modules" / "user-agents" / "dist" / "user-agents.json"
_EXPECTED_ERRORS: Final = (
    SettingsError,
    NotRunningError,
    node_packages.InstallError,
    AdminError,
    WrongAnswerError,
    aiohttp.ClientError,
)


def main() -> int:
    logging.basicConfig(level=logging.ERROR)  # the worker that runs in here needn't tell when it is stopped
    console = Console(width=None if sys.stdout.isatty() else 110)  # a file has no width: tables need some
    try:
        system = find(load())
        node_packages.install(PROJECT, "a sample of real user agents", environment.folder(ROOT))
        return asyncio.run(_run(system, console))
    except _EXPECTED_ERRORS as error:
        print(str(error) or type(error).__name__, file=sys.stderr)
        return 1


async def _run(system: RunningSystem, console: Console) -> int:
    console.print("[bold]A simulated campaign: none of these people, messages and clicks are real.[/bold]")
    people = People(SAMPLE)
    console.print(
        f"{len(people):,} user agents of real traffic ({people.left_out:,} contradict themselves and are "
        f"left out), addresses from all over the city database"
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with Admin(system.api_url, system.key) as admin:
        with Progress(*columns, console=console) as progress:
            history = await make_history(system, admin, people, random.Random(), progress)
        agrees = await verify(admin, history, console)
        with Progress(*columns, console=console) as progress:
            delays = await _measure_live(system, admin, people, progress)
    return 0 if _tell_delays(delays, console) and agrees else 1


async def _measure_live(
    system: RunningSystem, admin: Admin, people: People, progress: Progress
) -> live.Delays:
    link = await admin.make_link({"name": "Live clicks", "destination_url": "https://shop.example.com/live"})
    task = progress.add_task("Live clicks in the report", total=live.CLICKS)
    return await live.measure(
        admin,
        link["id"],
        link["short_url"],
        system.edge_url,
        people,
        lambda seen: progress.update(task, completed=seen),
    )


def _tell_delays(delays: live.Delays, console: Console) -> bool:
    """Whether every live click reached the report, and in time."""
    if not delays.complete:
        console.print(
            f"[bold red]Only {len(delays.seconds)} of {live.CLICKS} live clicks reached the report.[/]"
        )
        return False
    median_s, p99_s = delays.percentile(50), delays.percentile(99)
    in_time = p99_s <= live.P99_BOUND_S
    console.print(
        f"From redirect to report: p50 {median_s:.2f} s, p99 {p99_s:.2f} s (bound {live.P99_BOUND_S:g} s): "
        + ("[bold green]in time.[/]" if in_time else "[bold red]too late.[/]")
    )
    return in_time


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped. What was sent so far stays; delete its links to be rid of it.")
