"""The rules that judge a click, in order: the first that matches decides, and its name is stored as well.

Those about user agents stand in `people.py`, `machines.py` and `lists.py`, those of link previews here. To
add one, put it where it belongs, give it a test, and count `RULES_VERSION` up. `make verdicts` measures what
it does to a corpus of labelled user agents.
"""

from typing import Final

from ingest.enrich.lists import listed_previews, listed_robots
from ingest.enrich.machines import MACHINES, ROBOTS
from ingest.enrich.people import BROWSERS, PEOPLE
from ingest.enrich.rule import AgentRule, RequestFacts, RequestRule, Rule

RULES_VERSION: Final = 4
LAST_RULE: Final = "unlike any browser"

_PREFETCH_HEADERS: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_PREFETCH_WORDS: Final = ("prefetch", "prerender", "preview")


def _is_prefetch(facts: RequestFacts) -> bool:
    signals = facts.signals
    if not signals:
        return False
    return any(
        word in signals[header].lower()
        for header in _PREFETCH_HEADERS
        if header in signals
        for word in _PREFETCH_WORDS
    )


def _is_not_get(facts: RequestFacts) -> bool:
    return facts.method != "GET"


def _is_rented_machine(facts: RequestFacts) -> bool:
    """A hosting network alone is nobody's fault: VPNs are there too. But every browser names languages."""
    return facts.network_kind == "hosting" and not facts.language


def _is_reported(facts: RequestFacts) -> bool:
    return facts.channel == "app"


def _is_any(_facts: RequestFacts) -> bool:
    return True


# Link previews, by words that no in-app browser sends.
PREVIEWS: Final = (
    # It fetches from the recipient's own address, as a desktop Safari with this trailer.
    AgentRule("preview: iMessage", "preview", r"facebookexternalhit/1\.1 Facebot Twitterbot/1\.0"),
    AgentRule("preview: WhatsApp", "preview", r"^WhatsApp(/|\s|$)"),  # Signal's previews say so as well
    AgentRule("preview: Signal", "preview", r"^Signal(-Android|-iOS|-Desktop)?/"),
    AgentRule("preview: Google Messages", "preview", r"GoogleMessages"),
    AgentRule("preview: Google", "preview", r"Google-PageRenderer|Google Web Preview|Google-Web-Preview"),
    AgentRule("preview: Telegram", "preview", r"TelegramBot"),
    AgentRule("preview: Viber", "preview", r"^Viber(/|\s|$)"),
    AgentRule("preview: LINE", "preview", r"line-poker/|Linespider|LineBot|linebot"),
    AgentRule("preview: KakaoTalk", "preview", r"(?i)kakaotalk-scrap|kakao-scrap"),
    AgentRule("preview: Zalo", "preview", r"(?i)zalobot|^Zalo(/|\s|$)"),
    AgentRule("preview: WeChat", "preview", r"WeChatShareExtension|^MicroMessenger"),
    AgentRule("preview: Slack", "preview", r"Slackbot|Slack-ImgProxy"),
    AgentRule("preview: Teams and Skype", "preview", r"SkypeUriPreview|MicrosoftPreview/|BingPreview"),
    AgentRule("preview: Discord", "preview", r"Discordbot"),
    AgentRule("preview: Snapchat", "preview", r"Snap URL Preview Service|SnapURLPreview|Snapbot"),
    AgentRule("preview: X", "preview", r"Twitterbot"),
    AgentRule("preview: LinkedIn", "preview", r"LinkedInBot"),
    AgentRule(
        "preview: Facebook", "preview", r"(?i)facebookexternalhit|meta-externalhit|facebot|facebookplatform"
    ),
    AgentRule("preview: Pinterest", "preview", r"Pinterestbot|Pinterest/0\.\d"),
    AgentRule("preview: Reddit", "preview", r"(?i)redditbot"),
    AgentRule("preview: VK and OK", "preview", r"vkShare|VKRobot|OdklBot"),
    AgentRule(
        "preview: team chats",
        "preview",
        r"(?i)mattermost-bot|rocket\.?chat|zulipurlpreview|keybasebot|groupmebot|chatwork linkpreview|"
        r"dingtalkbot|wirelinkpreview|threemabot|synapse \(bot|matrix-media-repo|nextcloud.talk|webexbot",
    ),
    AgentRule(
        "preview: federated networks",
        "preview",
        r"^(http\.rb/[\d.]+ \()?(Mastodon|Pleroma|Akkoma|Misskey|Friendica|Lemmy|Bluesky)/|SummalyBot|"
        r"Cardyb",
    ),
    AgentRule(
        "preview: by its own word", "preview", r"(?i)(link|url|uri)[ _-]?(preview|expan|unfurl)|unfurl"
    ),
)

RULES: Final[tuple[Rule, ...]] = (
    # An app tells of a tap that its system took past us; its user agent is of no browser.
    RequestRule("reported by an app", "human", _is_reported),
    # A browser or an app loads ahead of the tap, with the user agent of the person it works for.
    RequestRule("prefetch header", "preview", _is_prefetch),
    *PREVIEWS,
    # People don't send HEAD. One post on X brings three of them.
    RequestRule("method is not GET", "automated", _is_not_get),
    *PEOPLE,
    *listed_previews(),
    *MACHINES,
    *listed_robots(),
    *ROBOTS,
    RequestRule("hosting network, no language", "automated", _is_rented_machine),
    *BROWSERS,
    RequestRule(LAST_RULE, "automated", _is_any),
)
