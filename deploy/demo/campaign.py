"""The campaign's links and its clicks over 30 days, drawn by chance but as such campaigns go.

Pure: what happens when, by whom and from where. Messages go out in bursts; most people tap within the hour,
the others later and later, and hardly anyone at night where they live. Messengers fetch previews when the
message arrives, crawlers come whenever they like.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from deploy.demo.agents import IMESSAGE, PREVIEWS, ROBOTS, WHATSAPP, Agent, People
from deploy.demo.places import Place, Places

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
DAYS: Final = 30
_NIGHT_ENDS: Final = 7
_NIGHT_BEGINS: Final = 23
_PREFETCH: Final = {"Sec-Purpose": "prefetch"}


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """A link to be made, its sends (days before the end and the hour, UTC) and its public clicks.

    `body` goes to the API as it is. `recipients` get a code each and are split among the sends. A link with
    `late_clicks` expires while the demo runs; these come after that.
    """

    body: dict[str, object]
    recipients: int = 0
    sends: tuple[tuple[int, int], ...] = ()
    public_clicks: int = 0
    late_clicks: int = 0


@dataclass(frozen=True, slots=True)
class Click:
    """One request to be made. `recipient` is its index among the link's; None clicks the link's own code."""

    at_ms: int
    link: int
    recipient: int | None
    place: Place
    agent: Agent
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    late: bool = False

    @property
    def visitor(self) -> object:
        """Who counts once: the recipient, or on a link's own code an address with a user agent."""
        return (self.place.address, self.agent.user_agent) if self.recipient is None else self.recipient

    def route(self, plan: LinkPlan) -> str:
        """Whose destination of the link it is to get."""
        if self.late:
            return "expired"
        routes = plan.body.get("device_routes")
        has_own = isinstance(routes, dict) and self.agent.route in routes
        return self.agent.route if has_own else "default"

    @property
    def verdict(self) -> str:
        """What the demo means it to be: nobody but a person's own GET is a human click."""
        if self.agent.verdict != "human":
            return self.agent.verdict
        if self.headers == _PREFETCH:
            return "preview"
        return "human" if self.method == "GET" else "automated"


def links(campaign: str, expires_at: str) -> tuple[LinkPlan, ...]:
    """What the campaign consists of. `campaign` is its name, new for each run.

    `expires_at` (RFC 3339) is a moment that is still to come, since no link is made that has expired.
    """
    shop = "https://shop.example.com"
    stores = {"ios": "https://apps.example.com/ios", "android": "https://apps.example.com/android"}
    common: dict[str, object] = {"campaign": campaign, "tags": ["simulated"]}
    return (
        LinkPlan(
            {**common, "name": "Spring sale", "destination_url": f"{shop}/spring", "device_routes": stores},
            recipients=3_000,
            sends=((28, 9), (21, 15), (6, 17)),
        ),
        LinkPlan(
            {**common, "name": "Track your order", "destination_url": f"{shop}/orders", "suffix": "track"},
            recipients=2_000,
            sends=((26, 7), (19, 7), (12, 7), (5, 7)),
        ),
        LinkPlan(
            {
                **common,
                "name": "Get the app",
                "destination_url": f"{shop}/app",
                "device_routes": {"ios": stores["ios"]},
            },
            recipients=1_000,
            sends=((14, 12),),
        ),
        LinkPlan(
            {**common, "name": "On the poster", "destination_url": f"{shop}/poster"}, public_clicks=8_000
        ),
        LinkPlan(
            {
                **common,
                "name": "Flash offer",
                "destination_url": f"{shop}/flash",
                "expires_at": expires_at,
                "expired_url": f"{shop}/too-late",
            },
            recipients=500,
            sends=((1, 8),),
            late_clicks=60,
        ),
    )


class Crowd:
    """Draws clicks: people by `people`, addresses by `places`, all by `chance`."""

    def __init__(self, people: People, places: Places, chance: random.Random) -> None:
        self._people = people
        self._places = places
        self._chance = chance

    def clicks(self, plans: Sequence[LinkPlan], end_ms: int) -> list[Click]:
        """All clicks of the `DAYS` days before `end_ms`, in the order of time."""
        found = [
            click
            for number, plan in enumerate(plans)
            for click in (*self._personal(number, plan, end_ms), *self._public(number, plan, end_ms))
            if end_ms - DAYS * DAY_MS <= click.at_ms < end_ms
        ]
        return sorted(found, key=lambda click: click.at_ms)

    def late_clicks(self, plans: Sequence[LinkPlan], at_ms: int) -> list[Click]:
        """Taps on what has expired by `at_ms`."""
        return [
            Click(
                at_ms,
                number,
                recipient,
                self._places.draw(self._chance),
                self._people.draw(self._chance),
                late=True,
            )
            for number, plan in enumerate(plans)
            for recipient in range(plan.late_clicks)
        ]

    def _personal(self, link: int, plan: LinkPlan, end_ms: int) -> Iterator[Click]:
        for recipient in range(plan.recipients):
            days, hour = plan.sends[recipient % len(plan.sends)]
            sent_ms = (end_ms // DAY_MS - days) * DAY_MS + hour * HOUR_MS
            sent_ms += int(self._chance.uniform(0, 10 * 60_000))  # a burst takes ten minutes
            yield from self._one_recipient(link, recipient, sent_ms)

    def _one_recipient(self, link: int, recipient: int, sent_ms: int) -> Iterator[Click]:
        chance = self._chance
        phone, place = self._people.draw(chance), self._places.draw(chance)
        if phone.route == "ios" and chance.random() < 0.5:
            yield Click(sent_ms + 900, link, recipient, place, IMESSAGE)
        elif chance.random() < 0.3:
            yield Click(sent_ms + 700, link, recipient, place, WHATSAPP)
        elif chance.random() < 0.2:
            fetcher = self._places.draw(chance)
            yield Click(sent_ms + 1_500, link, recipient, fetcher, chance.choice(PREVIEWS))
        if chance.random() < 0.03:
            scanner = self._places.draw(chance)
            yield Click(sent_ms + 4_000, link, recipient, scanner, chance.choice(ROBOTS))
            yield Click(sent_ms + 4_100, link, recipient, scanner, self._people.draw(chance), "HEAD")
        at_ms = sent_ms
        taps = 0 if chance.random() < 0.25 else 1 + int(chance.expovariate(0.7))
        for tap in range(taps):
            at_ms = self._awake(at_ms + self._delay_ms(), place)
            if tap == 0 and chance.random() < 0.02:
                yield Click(at_ms - 300, link, recipient, place, phone, headers=_PREFETCH)
            yield Click(at_ms, link, recipient, place, phone)

    def _public(self, link: int, plan: LinkPlan, end_ms: int) -> Iterator[Click]:
        for _ in range(plan.public_clicks):
            chance = self._chance
            place, agent = self._places.draw(chance), self._people.draw(chance)
            days = min(chance.expovariate(1 / 9), DAYS - 1.5)  # it spreads, then it is forgotten
            at_ms = self._awake(end_ms - int((DAYS - 1.5 - days) * DAY_MS), place)
            kind = chance.random()
            if kind < 0.06:
                yield Click(at_ms, link, None, place, chance.choice(PREVIEWS))
            elif kind < 0.13:
                yield Click(at_ms, link, None, place, chance.choice(ROBOTS))
            elif kind < 0.15:
                yield Click(at_ms, link, None, place, agent, "HEAD")
            else:
                yield Click(at_ms, link, None, place, agent)
                if chance.random() < 0.2:
                    yield Click(at_ms + self._delay_ms(), link, None, place, agent)

    def _delay_ms(self) -> int:
        """Half of all taps come within 20 minutes, one in ten after half a day."""
        return int(20 * 60_000 * self._chance.lognormvariate(0, 2.5))

    def _awake(self, at_ms: int, place: Place) -> int:
        """Most of what would fall into the night where the person is waits for the morning."""
        hour = (at_ms / HOUR_MS + place.zone_hours) % 24
        if _NIGHT_ENDS <= hour < _NIGHT_BEGINS or self._chance.random() < 0.1:
            return at_ms
        to_morning_hours = (_NIGHT_ENDS - hour) % 24 + self._chance.expovariate(0.4)
        return at_ms + int(to_morning_hours * HOUR_MS)
