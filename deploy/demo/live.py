"""How long a click takes from its redirect to the report.

Clicks go through the public port; meanwhile one report is read after another.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from deploy.demo.admin import Admin
from deploy.demo.agents import People

CLICKS: Final = 200
CLICKS_A_SECOND: Final = 20.0
P99_BOUND_S: Final = 2.0
_GIVE_UP_S: Final = 30.0
_PAUSE_S: Final = 0.02


@dataclass(slots=True)
class Delays:
    """Seconds from each redirect to the first report that had it, rounded up by the time of a report."""

    seconds: list[float] = field(default_factory=list)

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[percent - 1]

    @property
    def complete(self) -> bool:
        return len(self.seconds) == CLICKS


async def measure(
    admin: Admin, link_id: str, short_url: str, edge_url: str, people: People, tell: Callable[[int], None]
) -> Delays:
    """Click the link `CLICKS` times; `tell` hears how many of them the reports have."""
    redirected_s: list[float] = []
    clicking = asyncio.create_task(_click(short_url, edge_url, people, redirected_s))
    delays = Delays()
    give_up_s = time.monotonic() + CLICKS / CLICKS_A_SECOND + _GIVE_UP_S
    since = datetime.now(UTC) - timedelta(hours=1)
    while not delays.complete and time.monotonic() < give_up_s:
        report = await admin.stats(link_id, since, since + timedelta(hours=2), by=())
        now_s = time.monotonic()
        seen = min(report["totals"]["total_clicks"], len(redirected_s))
        delays.seconds += [now_s - at_s for at_s in redirected_s[len(delays.seconds) : seen]]
        tell(len(delays.seconds))
        await asyncio.sleep(_PAUSE_S)
    await clicking
    return delays


async def _click(short_url: str, edge_url: str, people: People, redirected_s: list[float]) -> None:
    """At random moments, as people do; a redirect's moment is noted in the order of the clicks."""
    parts, chance = urlsplit(short_url), random.Random()
    async with aiohttp.ClientSession(edge_url, headers={"Host": parts.netloc}) as session:
        for _ in range(CLICKS):
            await asyncio.sleep(chance.expovariate(CLICKS_A_SECOND))
            headers = {"User-Agent": people.draw(chance).user_agent}
            async with session.get(parts.path, headers=headers, allow_redirects=False) as answer:
                answer.raise_for_status()
            redirected_s.append(time.monotonic())
