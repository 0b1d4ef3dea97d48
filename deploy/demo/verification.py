"""Holds the reports against what was sent, number by number, and tells."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from deploy.demo import tally
from deploy.demo.admin import Admin
from deploy.demo.history import History
from deploy.demo.tally import Difference, Numbers

_ARRIVE_WITHIN_S: Final = 60.0
_POLL_S: Final = 0.1
_DIFFERENCES_SHOWN: Final = 40
_WHATS: Final = ("totals", "day", *tally.DIMENSIONS)


async def verify(admin: Admin, history: History, console: Console) -> bool:
    """Whether every number of every report is the demo's own; prints a table and what differs."""
    await _wait_for_all(admin, history, console)
    table = Table("Report on", "Clicks", *(f"{what}: numbers" for what in _WHATS), "Differences")
    differing: list[tuple[str, Difference]] = []
    compared = 0
    for name, expected, reported in await _both_sides(admin, history):
        found = tally.compare(expected, reported)
        differing += [(name, difference) for difference in found]
        compared += len(expected.keys() | reported.keys())
        table.add_row(name, *_cells(expected, reported), str(len(found)))
    console.print(table)
    for name, each in differing[:_DIFFERENCES_SHOWN]:
        where = " ".join(filter(None, (each.what, each.key, each.count)))
        console.print(f"  {name}, {where}: sent {each.expected:,}, reported {each.reported:,}", markup=False)
    if differing:
        console.print(f"[bold red]{len(differing):,} of {compared:,} numbers differ.[/bold red]")
    else:
        console.print(
            f"[bold green]All {compared:,} numbers of the reports are those of the demo.[/bold green]"
        )
    return not differing


async def _both_sides(admin: Admin, history: History) -> Sequence[tuple[str, Numbers, Numbers]]:
    """Of each report: its name, the demo's numbers and the report's."""
    plans = [link.plan for link in history.links]
    sides = []
    for number, link in enumerate(history.links):
        expected = tally.expect(plans, (click for click in history.clicks if click.link == number))
        report = await admin.stats(link.id, history.since, history.until, tally.DIMENSIONS)
        sides.append((str(link.plan.body["name"]), expected, tally.read(report)))
    tenant = tally.read(await admin.stats(None, history.since, history.until, tally.DIMENSIONS))
    came = tally.subtract(tally.additive(tenant), tally.additive(history.before))
    return [*sides, ("all links, what came", tally.additive(tally.expect(plans, history.clicks)), came)]


async def _wait_for_all(admin: Admin, history: History, console: Console) -> None:
    """Until the reports have as many clicks as were sent, or it has been long enough."""
    expected = Counter(click.link for click in history.clicks)
    deadline_s = time.monotonic() + _ARRIVE_WITHIN_S
    with console.status("Waiting for the last click to reach the reports"):
        for number, link in enumerate(history.links):
            while time.monotonic() < deadline_s:
                report = await admin.stats(link.id, history.since, history.until, ())
                if report["totals"]["total_clicks"] >= expected[number]:
                    break
                await asyncio.sleep(_POLL_S)


def _cells(expected: Numbers, reported: Numbers) -> list[str]:
    total = ("totals", "", "total_clicks")
    sent, stored = expected.get(total, 0), reported.get(total, 0)
    sizes = Counter(what for what, _, _ in expected.keys() | reported.keys())
    return [f"{sent:,} sent, {stored:,} reported", *(f"{sizes[what]:,}" for what in _WHATS)]
