"""Browser, system and device of a user agent, by ua-parser's own data and its Rust resolver."""

from typing import Final, NamedTuple

from ua_parser import Domain, load_lazy_builtins
from ua_parser.core import OS, Device, UserAgent
from ua_parser.lazy import UserAgentMatcher
from ua_parser.regex import Resolver

OTHER: Final = "Other"


class Agent(NamedTuple):
    """A row of the user agent's columns. What is not known is `Other`, a version that is not, `""`.

    Versions are the first two numbers; `platform` is `desktop`, `mobile`, `tablet` or `other`.
    """

    browser: str
    browser_version: str
    os: str
    os_version: str
    device_brand: str
    device: str
    platform: str


# More is no browser's, and takes some of ua-parser's expressions a hundred times as long.
MAX_CHARS: Final = 1024

UNKNOWN: Final = Agent(OTHER, "", OTHER, "", OTHER, OTHER, "other")

# In-app browsers that ua-parser takes for the web view they are built on; the first to match wins.
_IN_APP_BROWSERS: Final = (  # groups 2 and 3 are the version
    UserAgentMatcher(r"(KAKAOTALK)[ /]?(?:(\d+)\.(\d+))?", "KakaoTalk"),
    UserAgentMatcher(r"(LinkedInApp)\]?(?:/(\d+)\.(\d+))?", "LinkedIn"),
    UserAgentMatcher(r"\b(GSA)/(\d+)\.(\d+)", "Google App"),
    UserAgentMatcher(r"(NAVER)\(inapp;(?: \w+; \w+; (\d+)\.(\d+))?", "NAVER"),
    UserAgentMatcher(r"(baiduboxapp)/(\d+)\.(\d+)", "Baidu App"),
    UserAgentMatcher(r"(BingSapphire)/(\d+)\.(\d+)", "Bing App"),
    UserAgentMatcher(r"(Telegram)-(?:Android|iOS)/(\d+)\.(\d+)", "Telegram"),
    UserAgentMatcher(r"Mozilla/.* (Viber)/(\d+)\.(\d+)", "Viber"),
)
_PHONE_SYSTEMS: Final = frozenset(
    {"iOS", "Windows Phone", "BlackBerry OS", "KaiOS", "Symbian OS", "Firefox OS"}
)
_DESKTOP_SYSTEMS: Final = frozenset(
    {"Windows", "Mac OS X", "Linux", "Chrome OS", "Ubuntu", "Fedora", "Debian", "FreeBSD", "OpenBSD"}
)
# ua-parser's names for "some Android", and the model that Chrome writes instead of the real one.
_NO_BRANDS: Final = ("Generic", "Spider")
_NO_MODELS: Final = frozenset({"K", "Smartphone", "Tablet", "Feature Phone", "Desktop"})


class UserAgents:
    """Parses user agents; about 10 microseconds each, so keep a cache in front."""

    def __init__(self) -> None:
        browsers, systems, devices = load_lazy_builtins()
        self._resolve = Resolver(([*_IN_APP_BROWSERS, *browsers], systems, devices))

    def __call__(self, user_agent: str) -> Agent:
        if not user_agent:
            return UNKNOWN
        user_agent = user_agent[:MAX_CHARS]
        found = self._resolve(user_agent, Domain.ALL)
        browser, browser_version = _name_and_version(found.user_agent)
        os, os_version = _name_and_version(found.os)
        brand, model = _brand_and_model(found.device)
        return Agent(
            browser, browser_version, os, os_version, brand, model, _platform(os, found.device, user_agent)
        )


def _name_and_version(found: UserAgent | OS | None) -> tuple[str, str]:
    if found is None:
        return OTHER, ""
    return found.family or OTHER, ".".join(part for part in (found.major, found.minor) if part)


def _brand_and_model(device: Device | None) -> tuple[str, str]:
    if device is None:
        return OTHER, OTHER
    brand, model = device.brand or OTHER, device.model or device.family or OTHER
    if model in _NO_MODELS or brand == "Spider":
        model = OTHER
    return OTHER if brand.startswith(_NO_BRANDS) else brand, model


def _platform(os: str, device: Device | None, user_agent: str) -> str:
    """Android tablets are told from phones by the word `Mobile`, which only phones send."""
    if device is not None and device.brand == "Spider":
        return "other"
    if os == "Android":
        return "mobile" if "Mobile" in user_agent or "Dalvik/" in user_agent else "tablet"
    if os in _PHONE_SYSTEMS:
        return "tablet" if "iPad" in user_agent else "mobile"
    return "desktop" if os in _DESKTOP_SYSTEMS else "other"
