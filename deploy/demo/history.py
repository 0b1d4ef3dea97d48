"""Makes the campaign's links and sends its clicks, each at its time in the last 30 days."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.progress import Progress

from deploy.demo import campaign, tally
from deploy.demo.admin import Admin
from deploy.demo.agents import People
from deploy.demo.campaign import Click, Crowd, LinkPlan
from deploy.demo.past_edge import PastEdge, WrongAnswerError, open_past_edge
from deploy.demo.places import Places
from deploy.demo.running_system import RunningSystem

_EXPIRES_AFTER: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A link that the API made, and the short URL of each of its recipients."""

    plan: LinkPlan
    id: str
    short_url: str
    recipients: Sequence[str]

    def url_of(self, click: Click) -> str:
        return self.short_url if click.recipient is None else self.recipients[click.recipient]

    def destination_of(self, click: Click) -> str:
        route = click.route(self.plan)
        routes: dict[str, Any] = {
            "default": self.plan.body["destination_url"],
            "expired": self.plan.body.get("expired_url"),
            **(self.plan.body.get("device_routes") or {}),  # type: ignore[dict-item] # a JSON object
        }
        return str(routes[route])


@dataclass(frozen=True, slots=True)
class History:
    """What was sent. Reports from `since` to `until` hold it; `before` is what the tenant's held already."""

    links: Sequence[MadeLink]
    clicks: Sequence[Click]
    since: datetime
    until: datetime
    before: tally.Numbers


async def make_history(
    system: RunningSystem, admin: Admin, people: People, chance: random.Random, progress: Progress
) -> History:
    """Returns when the last click was answered. Raises `WrongAnswerError` at a wrong answer."""
    now = datetime.now(UTC)
    since, until = now - timedelta(days=campaign.DAYS), now + timedelta(hours=1)
    expires_at = now + _EXPIRES_AFTER
    plans = campaign.links(f"demo {now:%Y-%m-%d %H:%M:%S}", expires_at.isoformat())
    before = tally.read(await admin.stats(None, since, until, tally.DIMENSIONS))
    crowd = Crowd(people, Places(system.city_folder), chance)
    drawing = asyncio.create_task(asyncio.to_thread(crowd.clicks, plans, _unix_ms(now)))
    links = await _make_links(admin, plans, progress)
    clicks = await drawing
    async with open_past_edge(system.settings) as edge:
        late = sum(plan.late_clicks for plan in plans)
        task = progress.add_task("Clicks of 30 days", total=len(clicks) + late)
        await _send(edge, links, clicks, lambda: progress.advance(task))
        await asyncio.sleep((expires_at - datetime.now(UTC)).total_seconds() + 0.1)
        late_clicks = crowd.late_clicks(plans, time.time_ns() // 1_000_000)
        await _send(edge, links, late_clicks, lambda: progress.advance(task))
    return History(links, [*clicks, *late_clicks], since, until, before)


async def _make_links(admin: Admin, plans: Sequence[LinkPlan], progress: Progress) -> list[MadeLink]:
    task = progress.add_task("Links and codes", total=sum(1 + plan.recipients for plan in plans))
    links = []
    for number, plan in enumerate(plans):
        link = await admin.make_link(plan.body)
        # Made up, with the area code of fiction.
        recipients = [f"+1555{number}{index:06d}" for index in range(plan.recipients)]
        links.append(MadeLink(plan, link["id"], link["short_url"], await admin.mint(link["id"], recipients)))
        progress.advance(task, 1 + plan.recipients)
    return links


async def _send(
    edge: PastEdge, links: Sequence[MadeLink], clicks: Sequence[Click], advance: Callable[[], None]
) -> None:
    for click in clicks:
        link = links[click.link]
        short_url, wanted = link.url_of(click), link.destination_of(click)
        destination = await edge.click(short_url, click)
        if destination != wanted:
            raise WrongAnswerError(f"{short_url} led {click.agent.user_agent} to {destination}, not {wanted}")
        advance()


def _unix_ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
