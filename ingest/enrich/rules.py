"""The rules that judge a click, in order: the first that matches decides, and its name is stored as well.

To add one, put it where it belongs, give it a test, and count `RULES_VERSION` up. Patterns are Rust regular
expressions (no look-around), searched anywhere in the user agent, case-sensitive unless they say `(?i)`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from crawleruseragents import CRAWLER_USER_AGENTS_DATA

Verdict = Literal["human", "preview", "automated"]
RULES_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class AgentRule:
    """Decides by the user agent alone, so that its answer can be kept."""

    name: str
    verdict: Verdict
    pattern: str


@dataclass(frozen=True, slots=True)
class RequestRule:
    """Decides by the method and the signal headers."""

    name: str
    verdict: Verdict
    matches: Callable[[str, Mapping[str, str]], bool]


Rule = AgentRule | RequestRule

_PREFETCH_HEADERS: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_PREFETCH_WORDS: Final = ("prefetch", "prerender", "preview")


def _is_prefetch(_method: str, signals: Mapping[str, str]) -> bool:
    if not signals:
        return False
    return any(
        word in signals[header].lower()
        for header in _PREFETCH_HEADERS
        if header in signals
        for word in _PREFETCH_WORDS
    )


def _is_not_get(method: str, _signals: Mapping[str, str]) -> bool:
    return method != "GET"


def _listed(kind: Literal["preview", "crawler"]) -> Iterator[AgentRule]:
    """The entries of crawler-user-agents: those tagged as link previews, or all others."""
    for entry in CRAWLER_USER_AGENTS_DATA:
        is_preview = "social-preview" in entry.get("tags", ())
        if is_preview == (kind == "preview"):
            name = f"list: {entry['pattern'].replace(chr(92), '')}"
            yield AgentRule(name, "preview" if is_preview else "automated", entry["pattern"])


RULES: Final[tuple[Rule, ...]] = (
    # A browser or an app loads ahead of the tap, with the user agent of the person it works for.
    RequestRule("prefetch header", "preview", _is_prefetch),
    # Link previews, by words that no in-app browser sends. iMessage fetches from the recipient's own
    # address with a desktop Safari's string and this trailer.
    AgentRule("preview: iMessage", "preview", r"facebookexternalhit/1\.1 Facebot Twitterbot/1\.0"),
    AgentRule("preview: WhatsApp", "preview", r"^WhatsApp(/|\s|$)"),  # Signal's previews say so as well
    AgentRule("preview: Signal", "preview", r"^Signal(-Android|-iOS|-Desktop)?/"),
    AgentRule("preview: Google Messages", "preview", r"GoogleMessages"),
    AgentRule("preview: Telegram", "preview", r"TelegramBot"),
    AgentRule("preview: Viber", "preview", r"^Viber(/|\s|$)"),
    AgentRule("preview: LINE", "preview", r"line-poker/|Linespider"),
    AgentRule("preview: KakaoTalk", "preview", r"kakaotalk-scrap"),
    AgentRule("preview: Slack", "preview", r"Slackbot|Slack-ImgProxy"),
    AgentRule("preview: Teams and Skype", "preview", r"SkypeUriPreview|MicrosoftPreview/"),
    AgentRule("preview: Discord", "preview", r"Discordbot"),
    AgentRule("preview: Snapchat", "preview", r"Snap URL Preview Service|SnapURLPreview"),
    AgentRule("preview: X", "preview", r"Twitterbot"),
    AgentRule("preview: LinkedIn", "preview", r"LinkedInBot"),
    AgentRule("preview: Facebook", "preview", r"(?i)facebookexternalhit|meta-externalhit|facebot"),
    # People don't send HEAD. One post on X brings three of them.
    RequestRule("method is not GET", "automated", _is_not_get),
    # Vetoes: people whom a substring of the lists below would take for robots.
    AgentRule("in-app browser: Facebook", "human", r"\bFBA[NV]/|\bFB_IAB/|MetaIAB"),
    AgentRule("in-app browser: Instagram", "human", r"Mozilla/.* Instagram \d"),
    AgentRule("in-app browser: LINE", "human", r"Mozilla/.* Line/\d"),
    AgentRule("in-app browser: KakaoTalk", "human", r"Mozilla/.*KAKAOTALK"),
    AgentRule("in-app browser: WhatsApp", "human", r"Mozilla/.* WhatsApp/"),
    AgentRule("in-app browser: Viber", "human", r"Mozilla/.* Viber/"),
    AgentRule("in-app browser: Telegram", "human", r"Mozilla/.* Telegram-(Android|iOS)/"),
    AgentRule("in-app browser: Snapchat", "human", r"Mozilla/.* Snapchat/"),
    AgentRule("in-app browser: Baidu", "human", r"Mozilla/.*(baiduboxapp|baidubrowser|BIDUBrowser)"),
    AgentRule("in-app browser: Bing", "human", r"Mozilla/.* BingSapphire/"),
    AgentRule("in-app browser: Google", "human", r"Mozilla/.* GSA/\d"),
    AgentRule(
        "in-app browser: other apps",
        "human",
        r"Mozilla/.*(MicroMessenger/|LinkedInApp|\[Pinterest/|NAVER\(inapp)",
    ),
    AgentRule("phone: Cubot", "human", r"Mozilla/.*Android.*(?i:cubot)[ _]"),
    *_listed("preview"),
    AgentRule("no user agent", "automated", r"^[\s-]*$"),
    AgentRule("bare Dalvik", "automated", r"^Dalvik/"),  # an app's own request, no browser
    AgentRule("bare CFNetwork", "automated", r"\bCFNetwork/"),  # the same on Apple's systems
    AgentRule(
        "HTTP library",
        "automated",
        r"(?i)^(curl|wget|libcurl|python|aiohttp|httpx|okhttp|go-http-client|java|apache-httpclient|axios|"
        r"node|undici|got|ruby|perl|libwww|lwp|php|guzzle|dart|postman|insomnia|httpie|reqwest|hyper|"
        r"apachebench|k6|winhttp|powershell)\b",
    ),
    *_listed("crawler"),
    AgentRule("Android web view", "human", r"; wv\)"),
    AgentRule("says where it comes from", "automated", r"\+https?://"),
    AgentRule(
        "says that it is a robot", "automated", r"(?i)(bot|crawler|spider|scraper|fetcher|scanner)([^a-z]|$)"
    ),
    AgentRule("one word and no browser", "automated", r"^[^\s()]+$"),
    RequestRule("nothing against it", "human", lambda _method, _signals: True),
)
