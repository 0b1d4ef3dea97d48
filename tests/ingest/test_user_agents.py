"""Devices: browser, system, maker, model and platform, of user agents as they come, and of client hints."""

import pytest

from ingest.enrich.geo import Geo
from ingest.enrich.steps import Enrichment
from ingest.enrich.user_agent import MAX_CHARS, UNKNOWN, Agent, UserAgents, apply_hints
from ingest.enrich.visitor import VisitorIds
from tests.ingest.click_events import IPHONE, a_click

parse = UserAgents()

_IOS = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        (IPHONE, Agent("Mobile Safari", "17.4", "iOS", "17.4", "Apple", "iPhone", "mobile")),
        (
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/124.0.0.0 Mobile Safari/537.36"
            ),
            Agent("Chrome Mobile", "124.0", "Android", "14", "Samsung", "SM-S918B", "mobile"),
        ),
        (
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/124.0.0.0 Mobile Safari/537.36"
            ),
            Agent("Chrome Mobile", "124.0", "Android", "", "Other", "Other", "mobile"),
        ),
        (
            (
                "Mozilla/5.0 (Linux; Android 13; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/124.0.0.0 Safari/537.36"
            ),
            Agent("Chrome", "124.0", "Android", "13", "Samsung", "SM-X200", "tablet"),
        ),
        (
            (
                "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                "Version/16.6 Mobile/15E148 Safari/604.1"
            ),
            Agent("Mobile Safari", "16.6", "iOS", "16.6", "Apple", "iPad", "tablet"),
        ),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                "Chrome/124.0.0.0 Safari/537.36 Edg/124.0.0.0"
            ),
            Agent("Edge", "124.0", "Windows", "10", "Other", "Other", "desktop"),
        ),
        (
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                "Version/17.4 Safari/605.1.15"
            ),
            Agent("Safari", "17.4", "Mac OS X", "10.15", "Apple", "Mac", "desktop"),
        ),
        ("", UNKNOWN),
        ("nothing that anyone knows", UNKNOWN),
    ],
)
def test_user_agents(user_agent: str, expected: Agent) -> None:
    assert parse(user_agent) == expected


@pytest.mark.parametrize(
    ("tail", "browser", "version"),
    [
        ("Mobile/15E148 [FBAN/FBIOS;FBAV/458.0.0.40.107;FBBV/587]", "Facebook", "458.0"),
        ("Mobile/21E219 Instagram 325.0.0 (iPhone14,5; iOS 17_4)", "Instagram", "325.0"),
        ("Mobile/15E148 Safari Line/14.5.0", "LINE", "14.5"),
        ("Mobile/15E148 WhatsApp/2.24.8", "WhatsApp", "2.24"),
        ("Mobile/15E148 KAKAOTALK 10.3.1", "KakaoTalk", "10.3"),
        ("Mobile/15E148 KAKAOTALK/10.6.5 (INAPP)", "KakaoTalk", "10.6"),
        ("Mobile/15E148 [LinkedInApp]/9.29.1", "LinkedIn", "9.29"),
        ("GSA/310.0.62 Mobile/15E148 Safari/604.1", "Google App", "310.0"),
        (
            "Version/16.5 Mobile/15E148 Safari/605.1 NAVER(inapp; search; 1010; 11.24.5; 12PRO)",
            "NAVER",
            "11.24",
        ),
        ("Mobile/15E148 MicroMessenger/8.0.48(0x18003030)", "WeChat", "8.0"),
        ("Mobile/15E148 Snapchat/12.80.0.36 (like Safari/8617.2.4.10.8, panda)", "Snapchat", "12.80"),
    ],
)
def test_in_app_browsers_are_browsers_of_their_own(tail: str, browser: str, version: str) -> None:
    agent = parse(f"{_IOS} {tail}")
    assert (agent.browser, agent.browser_version, agent.os, agent.platform) == (
        browser,
        version,
        "iOS",
        "mobile",
    )


_VIEW = (
    "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Version/4.0 Chrome/124.0.6367.82 Mobile Safari/537.36"
)


@pytest.mark.parametrize(
    ("tail", "browser", "version"),
    [
        ("[FB_IAB/FB4A;FBAV/458.0.0.54.108;]", "Facebook", "458.0"),
        ("[FB_IAB/Orca-Android;FBAV/455.0.0.44.88;]", "Facebook Messenger", "455.0"),
        ("Instagram 325.0.0.30.84 Android (34/14; 480dpi; 1080x2340; samsung)", "Instagram", "325.0"),
        ("Barcelona 320.0.0.21 Android (34/14; 480dpi)", "Threads", "320.0"),
        ("trill_330505 AppName/trill app_version/33.5.5 BytedanceWebview/d8a21c6", "TikTok", "33.5"),
        ("Snapchat/12.80.0.36 (SM-S918B; Android 14#S918BXXS3; gzip; )", "Snapchat", "12.80"),
        ("Line/14.5.0/IAB", "LINE", "14.5"),
        ("[Pinterest/Android]", "Pinterest", ""),
        ("TwitterAndroid/10.30", "Twitter", "10.30"),
        ("LinkedIn/4.1.923", "LinkedIn", "4.1"),
        ("WhatsApp/2.24.8.85", "WhatsApp", "2.24"),
        ("Viber/22.1.0", "Viber", "22.1"),
        ("Telegram-Android/10.12.0 (Samsung SM-S918B; Android 14; SDK 34; HIGH)", "Telegram", "10.12"),
        ("MicroMessenger/8.0.48.2580(0x28003036) WeChat/arm64 Weixin", "WeChat", "8.0"),
        ("KAKAOTALK/25.3.1 (INAPP)", "KakaoTalk", "25.3"),
        ("Zalo android/240502 ZaloTheme/light", "Zalo", "240502"),
        ("Reddit/2024.17", "Reddit", "2024.17"),
        ("Discord/230.0", "Discord", "230.0"),
        ("", "Chrome Mobile WebView", "124.0"),
    ],
)
def test_in_app_browsers_of_android(tail: str, browser: str, version: str) -> None:
    assert parse(f"{_VIEW} {tail}") == Agent(
        browser, version, "Android", "14", "Samsung", "SM-S918B", "mobile"
    )


@pytest.mark.parametrize(
    ("model", "brand"),
    [
        ("SM-A546B", "Samsung"),
        ("Pixel 9", "Google"),
        ("CPH2557", "Oppo"),
        ("V2254", "Vivo"),
        ("23021RAA2Y", "Xiaomi"),
        ("moto g(60)", "Motorola"),
        ("Infinix X6525", "Infinix"),
    ],
)
def test_makers(model: str, brand: str) -> None:
    user_agent = (
        f"Mozilla/5.0 (Linux; Android 14; {model}) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/124.0.6367.82 Mobile Safari/537.36"
    )
    assert parse(user_agent).device_brand == brand


@pytest.mark.parametrize(
    ("system", "os", "os_version", "platform"),
    [
        ("X11; CrOS x86_64 14541.0.0", "Chrome OS", "14541.0", "desktop"),
        ("X11; Linux x86_64", "Linux", "", "desktop"),
        ("Linux; Android 10; K", "Android", "", "tablet"),
        ("Windows NT 10.0; Win64; x64", "Windows", "10", "desktop"),
        ("SMART-TV; LINUX; Tizen 6.0", "Tizen", "6.0", "other"),
    ],
)
def test_systems_and_platforms(system: str, os: str, os_version: str, platform: str) -> None:
    agent = parse(
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
    )
    assert (agent.os, agent.os_version, agent.platform) == (os, os_version, platform)


_LINUX = Agent("Chrome", "142.0", "Linux", "", "Other", "Other", "desktop")
_REDUCED = Agent("Chrome", "142.0", "Android", "", "Other", "Other", "tablet")


@pytest.mark.parametrize(
    ("agent", "signals", "expected"),
    [
        (_LINUX, {}, _LINUX),
        (_LINUX, {"sec-ch-ua-mobile": "?1"}, _LINUX),
        (_LINUX, {"sec-ch-ua-platform": '"Linux"', "sec-ch-ua-mobile": "?0"}, _LINUX),
        (_LINUX, {"sec-ch-ua-platform": "nonsense", "sec-ch-ua-mobile": "?7"}, _LINUX),
        (
            _LINUX,
            {"sec-ch-ua-platform": '"Android"', "sec-ch-ua-mobile": "?0"},
            _LINUX._replace(os="Android", platform="tablet"),
        ),
        (_LINUX, {"sec-ch-ua-platform": '"Android"'}, _LINUX._replace(os="Android", platform="mobile")),
        (_LINUX, {"sec-ch-ua-platform": '"iOS"'}, _LINUX._replace(os="iOS", platform="mobile")),
        (
            _REDUCED,
            {"sec-ch-ua-platform": '"Android"', "sec-ch-ua-mobile": "?1"},
            _REDUCED._replace(platform="mobile"),
        ),
        (_REDUCED, {"sec-ch-ua-platform": '"Android"', "sec-ch-ua-mobile": "?0"}, _REDUCED),
    ],
)
def test_client_hints_correct_what_the_string_hides(
    agent: Agent, signals: dict[str, str], expected: Agent
) -> None:
    assert apply_hints(agent, signals) == expected


def test_hints_reach_the_row() -> None:
    enrichment = Enrichment(geo=Geo(None), visitor_ids=VisitorIds(b"k" * 32))
    desktop = (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
        "Safari/537.36"
    )
    click = a_click(ua=desktop, signals={"sec-ch-ua-platform": '"Android"', "sec-ch-ua-mobile": "?1"})
    columns = enrichment.columns([click], now_ms=1)
    assert (columns["os"][0], columns["platform"][0]) == ("Android", "mobile")


def test_without_a_user_agent_everything_is_other() -> None:
    agent = parse("")
    assert {agent.browser, agent.os, agent.device_brand, agent.device} == {"Other"}
    assert agent.platform == "other"


def test_what_is_too_long_for_a_browser_is_cut() -> None:
    assert parse(IPHONE.ljust(MAX_CHARS) + " Firefox/99.0") == parse(IPHONE)
