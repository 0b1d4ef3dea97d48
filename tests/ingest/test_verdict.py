"""Verdicts: who is a person, who fetches a preview, what is a machine; and by which rule."""

from collections.abc import Mapping

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from hypothesis import given
from hypothesis import strategies as st

from edge.contract import SIGNAL_HEADERS
from ingest.enrich.rule import RequestFacts, RequestRule
from ingest.enrich.rules import RULES
from ingest.enrich.verdict import Judge
from tests.ingest.click_events import IPHONE

judge = Judge()

_IOS = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_ANDROID_VIEW = (
    "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Version/4.0 Chrome/124.0.6367.82 Mobile Safari/537.36"
)
_MAC_SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) "
    "Version/9.0.1 Safari/601.2.4"
)
_DESKTOP = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)"

HUMANS = {
    IPHONE: "browser",
    _MAC_SAFARI: "browser",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
    "Mobile Safari/537.36": "Android browser",
    "Mozilla/5.0 (Linux; Android 13; Spider 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 "
    "Safari/537.36": "Android browser",
    "Mozilla/5.0 (Unknown; Linux armv7l) AppleWebKit/537.1+ (KHTML, like Gecko) Safari/537.1+ "
    "HbbTV/1.1.1 ( ;LGE ;NetCast 4.0 ;03.10.81)": "television",
    "mozilla/5.0 (linux; android 9; bq-5530l) applewebkit/537.36 (khtml, like gecko) chrome/74.0 "
    "mobile safari/537.36": "Android browser",
    "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80 (S60; SymbOS; Opera Mobi/23.348) Presto/2.5.25 "
    "Version/10.54": "browser",
    "Mozilla/5.0 (Linux; Android 13; CUBOT P60) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 "
    "Mobile Safari/537.36": "phone: Cubot",
    "Mozilla/5.0 (Linux; Android 8.1; CUBOT_X18_Plus) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/124.0.0.0 Mobile Safari/537.36": "phone: Cubot",
    _ANDROID_VIEW: "Android web view",
    f"{_ANDROID_VIEW} [FB_IAB/FB4A;FBAV/458.0.0.54.108;]": "in-app browser: Facebook",
    f"{_IOS} Mobile/15E148 [FBAN/FBIOS;FBAV/458.0.0.40.107;FBBV/587]": "in-app browser: Facebook",
    f"{_IOS} Mobile/21E219 Instagram 325.0.0 (iPhone14,5; iOS 17_4; en_US)": "in-app browser: Instagram",
    f"{_IOS} Mobile/15E148 Safari Line/14.5.0": "in-app browser: LINE",
    f"{_IOS} Mobile/15E148 KAKAOTALK 10.3.1": "in-app browser: KakaoTalk",
    f"{_IOS} Mobile/15E148 WhatsApp/2.24.8": "in-app browser: WhatsApp",
    f"{_IOS} Mobile/15E148 Snapchat/12.80.0.36 (like Safari/8617.2.4.10.8)": "in-app browser: Snapchat",
    f"{_IOS} Mobile/15E148 MicroMessenger/8.0.48(0x18003030) NetType/WIFI": "in-app browser: other apps",
    f"{_IOS} Version/17.4 Mobile/15E148 Safari/605.1.15 BingSapphire/29.1": "in-app browser: Bing",
    f"{_IOS} GSA/310.0.62 Mobile/15E148 Safari/604.1": "in-app browser: Google",
    f"{_ANDROID_VIEW} baiduboxapp/13.50.0.10 (Baidu; P1 14)": "in-app browser: Baidu",
    f"{_IOS} Mobile/15E148 [LinkedInApp]/9.29.1": "in-app browser: LinkedIn",
    f"{_DESKTOP} QtWebEngine/5.6.0 Chrome/45.0 Safari/537.36 Viber": "in-app browser: Viber",
    f"{_DESKTOP} Slack/4.4.2 Chrome/78.0 Electron/7.2.1 Safari/537.36 Sonic Slack_SSB/4.4.2": (
        "in-app browser: desktop programs"
    ),
    f"{_DESKTOP} Notion/1.0.8 Chrome/61.0 Electron/2.0.5 Safari/537.36": "in-app browser: desktop programs",
    f"{_ANDROID_VIEW} CamScanner/6.27.0": "in-app browser: of apps that scan codes and papers",
    f"{_DESKTOP} Chrome/32.0 Safari/537.36,gzip(gfe) (via translate.google.com)": (
        "browser: through Google's translator"
    ),
    "Mozilla/5.0 (X11; U; Linux i686; rv:1.7.5) Gecko/20041214 Firefox/1.0 StumbleUpon/1.999": (
        "browser: with a toolbar"
    ),
    f"{_DESKTOP} 1Password/7.0.6 (like Version/11.3 Safari/600.1.4)": "browser",
    f"{_DESKTOP} Chrome/84.0 Safari/537.36 OPR/43ENDRNMAP1GSITEP": "browser",
    "Mozilla/5.0 (Unknown; OS/2 i386) AppleWebKit/537.36 (KHTML, like Gecko) QupZilla/1.8 Safari/537.36": (
        "browser"
    ),
    "Qwzx-1 (compatible; Tablet2.0) Qwzx, com.example.qwzx 5.1.1 (508) / Android 27": (
        "browser of the word compatible"
    ),
    "Xombrero/1.6.4 (Linux; en; Gentoo)": "text browser",
    f"{_DESKTOP} NetNewsWire/3.2.7": "in-app browser: feed readers",
    "Mozilla/5.0 (Linux; U; Android 2.2; en-us; SCH-I800 Build/FROYO) AppleWebKit/533.1 (KHTML, like Gecko) "
    "Version/4.0 Mobile Safari/533.1 DMBrowser-BV": "Android browser",
    "Mozilla/5.0 (Linux; Android 10; OPPO A33; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
    "Chrome/124.0 Mobile Safari/537.36": "Android web view",
    "Mozilla/5.0 (PlayStation 4 Pro 5.0)": "games console",
    "Microsoft Office Word/16.54.1010 (Mac OS/12.0.1; Desktop; en-US; AppStore; Apple/iMac19,2)": (
        "link in an Office document"
    ),
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft PowerPoint 16.0.10325; Pro)": (
        "link in an Office document"
    ),
    "Mozilla/4.0 (compatible; ms-office; MSOffice 16)": "link in an Office document",
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 5.1; Qwzx.com; .NET CLR 2.0.50727)": (
        "browser of the word compatible"
    ),
    "Mozilla/5.0 (compatible; Teleca Q7; Brew 3.1.5; U; en) 240X400 LGE LG840": (
        "browser of the word compatible"
    ),
    "Mozilla/5.0 (LG-T565 AppleWebkit/531 Browser/Phantom/V2.0 Profile/MIDP-2.1)": "browser",
    "(Windows NT 6.2; WOW64) KHTML/4.11 Gecko/20130308 Firefox/33.0 (PaleMoon/25.1)": "browser",
    "Qwzx/6.8.1 (iOS 17.3; en_US; iPhone12,1; 17C54)": "names a person's device",
    "Qwzx/1.0 Dalvik/2.1.0 (Linux; U; Android 13; SM-A536B)": "names a person's device",
}

PREVIEWS = {
    f"{_MAC_SAFARI} facebookexternalhit/1.1 Facebot Twitterbot/1.0": "preview: iMessage",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)": "preview: Facebook",
    "facebookexternalhit/1.1;line-poker/1.0": "preview: LINE",
    "facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com/": "preview: KakaoTalk",
    "WhatsApp/2.23.20.0 A": "preview: WhatsApp",
    "WhatsApp": "preview: WhatsApp",
    "WhatsApp/2.2336.9 CFNetwork/1474 Darwin/23.0.0": "preview: WhatsApp",
    "Mozilla/5.0 (compatible; GoogleMessages)": "preview: Google Messages",
    "GoogleMessages": "preview: Google Messages",
    "TelegramBot (like TwitterBot)": "preview: Telegram",
    "Viber": "preview: Viber",
    "Viber/13.1.0.10": "preview: Viber",
    "Signal-Android/7.2.4": "preview: Signal",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)": "preview: Slack",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com": (
        "preview: Teams and Skype"
    ),
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)": "preview: Discord",
    "Snap URL Preview Service; bot; snapchat; https://developers.snap.com/robots": "preview: Snapchat",
    "Twitterbot/1.0": "preview: X",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; +http://www.linkedin.com)": "preview: LinkedIn",
    "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com/feedback)": "preview: Reddit",
}

MACHINES = {
    "": "no user agent",
    "-": "no user agent",
    "Dalvik/2.1.0 (Linux; U; Android 13; SM-A536B Build/TP1A.220624.014)": "bare Dalvik",
    "Shop/1 CFNetwork/1474 Darwin/23.0.0": "bare CFNetwork",
    "curl/8.4.0": "HTTP library",
    "python-requests/2.32.3": "HTTP library",
    "Python/3.11 aiohttp/3.14.5": "HTTP library",
    "okhttp/4.12.0": "HTTP library",
    "Go-http-client/2.0": "HTTP library",
    "axios/1.7.2": "HTTP library",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": "list: Googlebot/",
    "Mozilla/5.0 (compatible; Qwzx/1.0; +https://qwzx.example.com/about)": "gives an address",
    "Mozilla/5.0 (compatible; Qwzxbot/1.0)": "says that it is a robot",
    "Mozilla/5.0 (Linux; Android 13; Qwzxbot/1.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 "
    "Safari/537.36": "says that it is a robot",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/55.0 Safari/537.36 "
    "QwzxDiagnostics/1.0": "names what robots do",
    "Mozilla/5.0 (Qwzx/1.0)": "Mozilla alone",
    f"{_MAC_SAFARI}' OR 6457=6458--": "attack",
    f"{_MAC_SAFARI}' waitfor delay'0:0:20'--": "attack",
    f"../{_MAC_SAFARI}": "attack",
    f'{_MAC_SAFARI}"><img src=x onerror=alert(1)>': "attack",
    "Mozlila/5.0 (Linux; Android 7.0; SM-G892A Bulid/NRD90M; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Version/4.0 Chrome/60.0 Moblie Safari/537.36": "misspelt",
    "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/534.34 (KHTML, like Gecko) Safari/534.34": (
        "tool that drives a browser"
    ),
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.3; qwzx.com)": "gives an address",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.4266; Pro)": (
        "list of CrawlerDetect: Microsoft Office"
    ),
    "NetNewsWire/6.1": "list of CrawlerDetect: NetNewsWire",
    "Qwzx/1.0": "unlike any browser",
    "Qwzx/1.0 (Windows NT 10.0)": "unlike any browser",
}

EXPECTED = [
    (verdict, user_agent, rule)
    for verdict, group in (("human", HUMANS), ("preview", PREVIEWS), ("automated", MACHINES))
    for user_agent, rule in group.items()
]


@pytest.mark.parametrize(("verdict", "user_agent", "rule"), EXPECTED)
def test_user_agents(verdict: str, user_agent: str, rule: str) -> None:
    assert judge("GET", user_agent, {}) == (verdict, rule)


@pytest.mark.parametrize(("verdict", "user_agent", "rule"), EXPECTED)
def test_a_head_request_is_never_human_and_a_preview_stays_one(
    verdict: str, user_agent: str, rule: str
) -> None:
    judged = judge("HEAD", user_agent, {}).verdict
    assert judged == ("preview" if rule.startswith("preview: ") else "automated")


@pytest.mark.parametrize(
    "signals",
    [
        {"sec-purpose": "prefetch"},
        {"sec-purpose": "prefetch;prerender"},
        {"purpose": "Prefetch"},
        {"purpose": "preview"},
        {"x-purpose": "preview"},
        {"x-moz": "prefetch"},
    ],
)
@pytest.mark.parametrize("user_agent", [IPHONE, f"{_IOS} Mobile/15E148 [FBAN/FBIOS;FBAV/458.0.0.40.107]"])
def test_a_prefetch_is_a_preview_whoever_asks(signals: Mapping[str, str], user_agent: str) -> None:
    assert judge("GET", user_agent, signals) == ("preview", "prefetch header")


def test_headers_of_a_navigation_are_nothing_against_it() -> None:
    signals = {"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-ch-ua-platform": '"Android"'}
    assert judge("GET", IPHONE, signals).verdict == "human"


def test_a_hosting_network_counts_only_beside_another_sign() -> None:
    rented = {"language": "", "network_kind": "hosting"}
    assert judge("GET", IPHONE, {}, **rented) == ("automated", "hosting network, no language")
    assert judge("GET", IPHONE, {}, language="en", network_kind="hosting").verdict == "human"  # a VPN
    for kind in ("mobile", "relay", "other", "Unknown", "Private"):
        assert judge("GET", IPHONE, {}, language="", network_kind=kind).verdict == "human"
    robot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    assert judge("GET", robot, {}, **rented).rule == "list: Googlebot/"
    assert judge("GET", "WhatsApp/2.23.20.0 A", {}, **rented).verdict == "preview"


def test_what_an_app_reports_is_its_person_s() -> None:
    for user_agent in ("", "Shop/1 CFNetwork/1474 Darwin/23.0.0"):
        assert judge("GET", user_agent, {}, channel="app") == ("human", "reported by an app")


def test_every_user_agent_of_the_list_is_caught_but_for_in_app_browsers() -> None:
    missed = {}
    previews_without_a_tag = set()
    for entry in CRAWLER_USER_AGENTS_DATA:
        is_preview = "social-preview" in entry.get("tags", ())
        for user_agent in entry.get("instances", ()):
            verdict, rule = judge("GET", user_agent, {})
            if verdict == "human":
                missed[user_agent] = rule
            elif verdict == "preview" and not is_preview:
                previews_without_a_tag.add(rule)
            else:
                assert verdict == ("preview" if is_preview else "automated"), (user_agent, rule)
    assert set(missed.values()) <= {"in-app browser: Facebook", "in-app browser: Instagram"}
    assert len(missed) <= 2
    # Google's page renderer and Matrix, whose previews the list calls crawlers.
    assert previews_without_a_tag == {"preview: Google", "preview: team chats"}


def test_rules_have_names_of_their_own_and_the_last_takes_all() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    last = RULES[-1]
    assert isinstance(last, RequestRule)
    assert last.matches(RequestFacts("GET", {}, "", "Unknown", "redirect"))


@given(
    st.sampled_from(["GET", "HEAD"]),
    st.text(max_size=300),
    st.dictionaries(st.sampled_from(SIGNAL_HEADERS), st.text(max_size=30)),
)
def test_any_request_gets_a_verdict(method: str, user_agent: str, signals: dict[str, str]) -> None:
    verdict, rule = judge(method, user_agent, signals)
    assert verdict in {"human", "preview", "automated"}
    assert rule in {known.name for known in RULES}
    assert judge(method, user_agent, signals) == (verdict, rule)
