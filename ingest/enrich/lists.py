"""The public lists of robots, as rules. Their patterns come in with pinned packages and change with those.

Each list is a union of names; how a robot that no list knows gives itself away stands in `machines.py`.
"""

from collections.abc import Iterator
from typing import Final

from crawlerdetect.providers.crawlers import data as crawlerdetect_patterns
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from ingest.enrich.rule import AgentRule

# Part of any word, such as a phone's name: `machines.py` asks for whole words.
_ANY_WORD_WITH_BOT: Final = (
    r"[a-z0-9\-_]*(bot|crawl|headless|archiver|transcoder|spider|uptime|validator|fetcher|cron|checker|reader|"
    r"extractor|monitoring|analyzer|scraper)"
)
# Patterns that catch people, or that Rust's regular expressions can't say.
_LEFT_OUT: Final = frozenset(
    {
        _ANY_WORD_WITH_BOT,
        r"Yandex(?!Search)",  # look-ahead; Yandex's robots are known by names of their own
        r"AP3A\.240617\.008",  # a build of Android 15 that many phones have
        r"008\/",  # the end of many version numbers, such as Opera Mini's
        "Butterfly",  # HTC's phone of that name
        "Blackboard",  # a learning app's web view
        "MetaIAB Facebook",  # Facebook's in-app browser
        "Daum\\/",  # a search app's web view
        "OPPO A33",  # phones
        "Astute",
        "Word\\/",  # 1Password
        "Octopus",  # part of YaSearchBrowser's string
        "PeoplePal",  # toolbars and download programs in the strings of people's Internet Explorer
        "QQDownload",
        "Microsoft Outlook",  # Internet Explorer inside of Outlook, showing the page a person opened
    }
)


def listed_previews() -> Iterator[AgentRule]:
    """What crawler-user-agents tags as the previews of social networks and messengers."""
    for entry in CRAWLER_USER_AGENTS_DATA:
        if _is_preview(entry) and entry["pattern"] not in _LEFT_OUT:
            yield AgentRule(_named("list", entry["pattern"]), "preview", entry["pattern"])


def listed_robots() -> Iterator[AgentRule]:
    """Everything else that crawler-user-agents or CrawlerDetect know."""
    for entry in CRAWLER_USER_AGENTS_DATA:
        if not _is_preview(entry) and entry["pattern"] not in _LEFT_OUT:
            yield AgentRule(_named("list", entry["pattern"]), "automated", entry["pattern"])
    for pattern in crawlerdetect_patterns:
        if pattern not in _LEFT_OUT:
            yield AgentRule(_named("list of CrawlerDetect", pattern), "automated", f"(?i){pattern}")


def _is_preview(entry: dict[str, object]) -> bool:
    tags = entry.get("tags")
    return isinstance(tags, list) and "social-preview" in tags


def _named(source: str, pattern: str) -> str:
    return f"{source}: {pattern.replace(chr(92), '')}"
