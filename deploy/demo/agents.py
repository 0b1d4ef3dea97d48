"""Who clicks: user agents with the labels that the demo gives them, before any program has seen them.

People are drawn from the npm package `user-agents`, a weighted sample of real traffic. Each of its entries
also has what the browser's own `navigator.platform` said: that labels the system, whatever the user agent
says. One rule keeps out who lies: an entry whose platform and user agent name different systems is left out,
and so is one that names itself a robot.
"""

import json
import random
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, Literal

Verdict = Literal["human", "preview", "automated"]
Route = Literal["default", "ios", "android"]

ROBOT_WORDS: Final = ("bot", "crawl", "spider", "headless", "lighthouse", "compatible;")


@dataclass(frozen=True, slots=True)
class Agent:
    """`os` is the system's name as reports call it; `route` is whose destination the agent is to get."""

    user_agent: str
    os: str
    route: Route
    verdict: Verdict


class People:
    """A weighted draw from the sample of real traffic."""

    def __init__(self, sample: Path) -> None:
        """`sample` is the package's `dist/user-agents.json`: objects with a weight each."""
        entries = json.loads(sample.read_bytes())
        labelled = [(agent, entry["weight"]) for entry in entries if (agent := label(entry)) is not None]
        self._agents = [agent for agent, _ in labelled]
        self._weights = list(accumulate(weight for _, weight in labelled))
        self.left_out = len(entries) - len(labelled)

    def __len__(self) -> int:
        return len(self._agents)

    def draw(self, chance: random.Random) -> Agent:
        return chance.choices(self._agents, cum_weights=self._weights)[0]


def label(entry: dict[str, Any]) -> Agent | None:
    """The agent of an entry of the sample; None for one that contradicts itself or calls itself a robot."""
    user_agent: str = entry["userAgent"]
    platform: str = entry["platform"]
    if any(word in user_agent.lower() for word in ROBOT_WORDS):
        return None
    for prefix, mark, os, route in _SYSTEMS:
        if platform.startswith(prefix) and mark in user_agent:
            return Agent(user_agent, os, route, "human")
    return None


# Of `navigator.platform` the beginning, what the user agent must say then, the system, and its route.
_SYSTEMS: Final[tuple[tuple[str, str, str, Route], ...]] = (
    ("iPhone", "(iPhone; ", "iOS", "ios"),
    ("iPad", "(iPad; ", "iOS", "ios"),
    ("MacIntel", "(Macintosh; ", "Mac OS X", "default"),
    ("Win32", "(Windows NT ", "Windows", "default"),
    ("Linux", "(Linux; Android ", "Android", "android"),
    ("Linux", "(Linux; arm_64; Android ", "Android", "android"),
    ("Linux", "(Android ", "Android", "android"),
    ("Linux", "(X11; CrOS ", "Chrome OS", "default"),
    ("Linux", "(X11; Ubuntu; ", "Ubuntu", "default"),
    ("Linux", "(X11; Linux ", "Linux", "default"),
)


def _preview(user_agent: str, os: str = "Other", route: Route = "default") -> Agent:
    return Agent(user_agent, os, route, "preview")


def _robot(user_agent: str, os: str = "Other", route: Route = "default") -> Agent:
    return Agent(user_agent, os, route, "automated")


IMESSAGE: Final = _preview(
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 "
    "Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    "Mac OS X",
)
WHATSAPP: Final = _preview("WhatsApp/2.24.20.89 A")

# They fetch from their makers' own machines.
PREVIEWS: Final = (
    _preview("TelegramBot (like TwitterBot)"),
    _preview("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"),
    _preview("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"),
    _preview("Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)"),
    _preview("LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)"),
    _preview(
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
        "Windows",
    ),
)

ROBOTS: Final = (
    _robot("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    _robot(
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/142.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Android",
        "android",
    ),
    _robot("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"),
    _robot("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"),
    _robot(
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 "
        "Safari/537.36",
        "Linux",
    ),
    _robot("curl/8.5.0"),
    _robot("python-requests/2.32.3"),
    _robot("Go-http-client/1.1"),
    _robot("Dalvik/2.1.0 (Linux; U; Android 13; SM-A546B Build/TP1A.220624.014)", "Android", "android"),
    _robot(""),
)
