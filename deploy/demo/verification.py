"""Holds the reports against what was sent, number by number, and tells."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from deploy.demo import tally
from deploy.demo.admin import Admin
from deploy.demo.history import History
from deploy.demo.tally import Numbers

_ARRIVE_WITHIN_S: Final = 60.0
_POLL_S: Final = 0.1
_DIFFERENCES_SHOWN: Final = 40
_KEYS_SHOWN: Final = 5
_TOTAL: Final = ("totals", "", "total_clicks")


@dataclass(frozen=True, slots=True)
class Sides:
    """The same report twice: by the demo's own count, and as the API gave it."""

    name: str
    expected: Numbers
    reported: Numbers

    @property
    def size(self) -> int:
        return len(self.expected.keys() | self.reported.keys())


async def verify(admin: Admin, history: History, console: Console) -> bool:
    """Whether every number of every report is the demo's own; prints tables and what differs."""
    await _wait_for_all(admin, history, console)
    reports = await _reports(admin, history)
    differences = [
        (each.name, found) for each in reports for found in tally.compare(each.expected, each.reported)
    ]
    console.print(_overview(reports), _breakdowns(reports[-1]))
    for name, found in differences[:_DIFFERENCES_SHOWN]:
        where = " ".join(filter(None, (found.what, found.key, found.count)))
        console.print(
            f"  {name}, {where}: sent {found.expected:,}, reported {found.reported:,}", markup=False
        )
    compared = sum(each.size for each in reports)
    if differences:
        console.print(f"[bold red]{len(differences):,} of {compared:,} numbers differ.[/]")
    else:
        console.print(f"[bold green]All {compared:,} numbers of the reports are those of the demo.[/]")
    return not differences


async def _reports(admin: Admin, history: History) -> Sequence[Sides]:
    """Of each link, and last of the whole tenant what came to it."""
    plans = [link.plan for link in history.links]
    sides = []
    for number, link in enumerate(history.links):
        expected = tally.expect(plans, (click for click in history.clicks if click.link == number))
        report = await admin.stats(link.id, history.since, history.until, tally.DIMENSIONS)
        sides.append(Sides(str(link.plan.body["name"]), expected, tally.read(report)))
    tenant = tally.read(await admin.stats(None, history.since, history.until, tally.DIMENSIONS))
    came = tally.subtract(tally.additive(tenant), tally.additive(history.before))
    return [*sides, Sides("All links", tally.additive(tally.expect(plans, history.clicks)), came)]


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


def _overview(reports: Sequence[Sides]) -> Table:
    """A row for each report: its clicks on both sides, and how much else was compared."""
    table = Table("Report on", title="Clicks, and how many of what was compared")
    for column in (
        "Sent",
        "Reported",
        "Days",
        "Countries",
        "Systems",
        "Verdicts",
        "Routes",
        "Numbers",
        "Differ",
    ):
        table.add_column(column, justify="right")
    for each in reports:
        keys = Counter(what for what, _ in {name[:2] for name in each.expected.keys() | each.reported.keys()})
        sizes = (*(keys[what] for what in ("day", *tally.DIMENSIONS)), each.size)
        found = len(tally.compare(each.expected, each.reported))
        table.add_row(each.name, *_both(each, _TOTAL), *(f"{size:,}" for size in (*sizes, found)))
    return table


def _breakdowns(report: Sides) -> Table:
    """Of each dimension the keys with the most clicks."""
    table = Table("By", "", "Sent", "Reported", title=f"{report.name}: the largest of each breakdown")
    for dimension in tally.DIMENSIONS:
        clicks = {name: count for name, count in report.expected.items() if name[0] == dimension}
        for name in sorted(clicks, key=lambda each: -clicks[each])[:_KEYS_SHOWN]:
            table.add_row(dimension, name[1], *_both(report, name))
    return table


def _both(report: Sides, name: tuple[str, str, str]) -> tuple[str, str]:
    return f"{report.expected.get(name, 0):,}", f"{report.reported.get(name, 0):,}"
