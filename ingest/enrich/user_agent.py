"""Browser, system and device, by ua-parser's own data and its Rust resolver, and by client hints."""

import re
from collections.abc import Mapping
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
    UserAgentMatcher(r"Mozilla/.* (LinkedIn)/(\d+)\.(\d+)", "LinkedIn"),
    UserAgentMatcher(r"Mozilla/.* (Barcelona) (\d+)\.(\d+)", "Threads"),
    UserAgentMatcher(r"(FB_IAB/Orca-Android|FBAN/Orca)[^\]]*FBAV/(\d+)\.(\d+)", "Facebook Messenger"),
    UserAgentMatcher(r"(trill_|musical_ly).* app_version/(\d+)\.(\d+)", "TikTok"),
    UserAgentMatcher(r"(MicroMessenger)/(\d+)\.(\d+)", "WeChat"),
    UserAgentMatcher(r"Mozilla/.* (Reddit)/(\d+)\.(\d+)", "Reddit"),
    UserAgentMatcher(r"Mozilla/.* (Discord)/(\d+)\.(\d+)", "Discord"),
    UserAgentMatcher(r"Mozilla/.* (Zalo) (?:android|iOS)/(\d+)", "Zalo"),
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
# Makers that ua-parser doesn't know of newer models, by what their models' names begin with.
_MAKERS: Final = re.compile(
    r"(?P<Samsung>(?:SM|GT|SC|SHV|SGH)-)|(?P<Google>Pixel|Nexus)|(?P<Oppo>CPH\d|OPPO)"
    r"|(?P<Vivo>V\d{4}|vivo)|(?P<Xiaomi>Redmi|POCO|MI |Mi |2[0-9]{3,5}[A-Z0-9]{4,}|M2\d{3})"
    r"|(?P<Motorola>moto|XT\d{4})|(?P<Amazon>AFT|KF[A-Z]{3,})|(?P<Infinix>(?i:infinix))|(?P<Tecno>(?i:tecno))|(?P<Lenovo>Lenovo|TB-?\d)"
)
# ua-parser's names for "some Android", and the model that Chrome writes instead of the real one.
_NO_BRANDS: Final = ("Generic", "Spider")
# What `Sec-CH-UA-Platform` may name in place of what the user agent says.
_HINTED_SYSTEMS: Final = {"android": "Android", "ios": "iOS"}
_NO_MODELS: Final = frozenset({"K", "Smartphone", "Tablet", "Feature Phone", "Desktop"})


_PLATFORMS_BY_MOBILE_HINT: Final = {"?1": "mobile", "?0": "tablet"}
# The end of the comment of Chrome on any Android since its strings were reduced.
_REDUCED: Final = "; Android 10; K)"


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
        if _REDUCED in user_agent:
            os_version = ""  # it says 10 whatever it is
        return Agent(
            browser, browser_version, os, os_version, brand, model, _platform(os, found.device, user_agent)
        )


def apply_hints(agent: Agent, signals: Mapping[str, str]) -> Agent:
    """What the client hints among the signals correct in an agent.

    A browser that asks for the site as on a desktop writes another system's string; its platform hint may
    still name the phone's own, and counts then, as it does for the route. The mobile hint tells an Android
    phone from a tablet.
    """
    platform_hint = signals.get("sec-ch-ua-platform")
    if platform_hint is None:
        return agent
    os = _HINTED_SYSTEMS.get(platform_hint.strip('"').lower())
    if os is None:
        return agent
    if os != agent.os:
        agent = agent._replace(os=os, os_version="", device_brand=OTHER, device=OTHER, platform="mobile")
    mobile_hint = signals.get("sec-ch-ua-mobile")
    if os == "Android" and mobile_hint in _PLATFORMS_BY_MOBILE_HINT:
        agent = agent._replace(platform=_PLATFORMS_BY_MOBILE_HINT[mobile_hint])
    return agent


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
    if brand.startswith(_NO_BRANDS):
        brand = OTHER
    if brand == OTHER and model != OTHER:
        maker = _MAKERS.match(model)
        brand = maker.lastgroup or OTHER if maker else OTHER
    return brand, model


def _platform(os: str, device: Device | None, user_agent: str) -> str:
    """Android tablets are told from phones by the word `Mobile`, which only phones send."""
    if device is not None and device.brand == "Spider":
        return "other"
    if os == "Android":
        return "mobile" if "Mobile" in user_agent or "Dalvik/" in user_agent else "tablet"
    if os in _PHONE_SYSTEMS:
        return "tablet" if "iPad" in user_agent else "mobile"
    return "desktop" if os in _DESKTOP_SYSTEMS else "other"
