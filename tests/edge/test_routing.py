"""Which destination a request gets."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.links import EdgeLink
from edge.routing import Decision, append_query, decide, fits_location, fixed_decisions, platform_of

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
IPAD = "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15"
IPAD_AS_MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15"
)
ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36"
WINDOWS_PHONE = (
    "Mozilla/5.0 (Mobile; Windows Phone 8.1; Android 4.0; ARM; NOKIA) like iPhone OS 7_0_3 Mac OS X"
)
IPAD_CHROME = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " CriOS/138 Version/11.1.1 Safari/605.1.15"
)
IPAD_IN_APP = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
)
MAC_CHROME = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/138.0.0.0 Safari/537.36"
)
LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36"

LINK = EdgeLink(
    1,
    "tenant",
    "own12345",
    "",
    b"https://example.com/web",
    ios=b"https://example.com/ios",
    android=b"https://example.com/android",
)


@pytest.mark.parametrize(
    ("user_agent", "hint", "platform"),
    [
        (IPHONE, "", "ios"),
        (IPAD, "", "ios"),
        ("Podcasts/1 (iPod touch; iOS 15)", "", "ios"),
        (ANDROID, "", "android"),
        ("Dalvik/2.1.0 (Linux; U; Android 12; SM-G991B)", "", "android"),
        (LINUX, '"Android"', "android"),
        (IPAD_AS_MAC, '"iOS"', "ios"),
        (ANDROID, '"Linux"', "android"),
        (IPAD_CHROME, "", "ios"),
        (IPAD_IN_APP, "", "ios"),
        (MAC_CHROME, '"macOS"', None),
        (MAC_CHROME, '"Android"', "android"),
        (IPAD_AS_MAC, "", None),
        (IPAD_AS_MAC, '"macOS"', None),
        (WINDOWS_PHONE, "", None),
        (LINUX, "", None),
        ("", "", None),
        ("", '"', None),
    ],
)
def test_platform(user_agent: str, hint: str, platform: str | None) -> None:
    assert platform_of(user_agent, hint) == platform


def test_each_platform_has_its_destination() -> None:
    assert decide(LINK, "ios", b"", 0) == Decision("ios", "redirected", b"https://example.com/ios")
    assert decide(LINK, "android", b"", 0) == Decision(
        "android", "redirected", b"https://example.com/android"
    )
    assert decide(LINK, None, b"", 0) == Decision("default", "redirected", b"https://example.com/web")


def test_a_platform_without_a_route_of_its_own_gets_the_default() -> None:
    link = EdgeLink(1, "tenant", "own12345", "", b"https://example.com/web")
    assert decide(link, "ios", b"", 0) == Decision("default", "redirected", b"https://example.com/web")
    assert decide(link, "android", b"", 0) == Decision("default", "redirected", b"https://example.com/web")


def test_a_link_expires_at_the_very_millisecond() -> None:
    link = EdgeLink(1, "tenant", "own12345", "", b"https://example.com/web", expires_at_ms=1000)
    assert decide(link, None, b"", 999).outcome == "redirected"
    assert decide(link, None, b"", 1000) == Decision("expired", "gone", b"")


def test_an_expired_link_goes_to_its_expired_url_whatever_the_device() -> None:
    link = EdgeLink(
        1,
        "tenant",
        "own12345",
        "",
        b"https://example.com/web",
        ios=b"https://example.com/ios",
        expires_at_ms=1000,
        expired_url=b"https://example.com/over",
        forward_query=True,
    )
    assert decide(link, "ios", b"a=1", 1000) == Decision("expired", "redirected", b"https://example.com/over")


def test_the_query_is_forwarded_only_where_the_link_says_so() -> None:
    forwarding = EdgeLink(1, "tenant", "own12345", "", b"https://example.com/web", forward_query=True)
    assert decide(forwarding, None, b"a=1", 0).destination == b"https://example.com/web?a=1"
    assert decide(forwarding, None, b"", 0).destination == b"https://example.com/web"
    assert decide(LINK, None, b"a=1", 0).destination == b"https://example.com/web"


@pytest.mark.parametrize(
    ("url", "query", "joined"),
    [
        (b"https://e.com/p", b"a=1", b"https://e.com/p?a=1"),
        (b"https://e.com/p?x=1", b"a=1", b"https://e.com/p?x=1&a=1"),
        (b"https://e.com/p?", b"a=1", b"https://e.com/p?a=1"),
        (b"https://e.com/p?x=1&", b"a=1", b"https://e.com/p?x=1&a=1"),
        (b"https://e.com/p#there", b"a=1", b"https://e.com/p?a=1#there"),
        (b"https://e.com/p?x=1#/route?y", b"a=1", b"https://e.com/p?x=1&a=1#/route?y"),
        (b"https://e.com/p", b"a=%20+b", b"https://e.com/p?a=%20+b"),
        (b"https://e.com/p", b"a=\r\nSet-Cookie: b", b"https://e.com/p?a=%0D%0ASet-Cookie:%20b"),
        (b"https://e.com/p", b'a="<\xff>', b"https://e.com/p?a=%22%3C%FF%3E"),
    ],
)
def test_append_query(url: bytes, query: bytes, joined: bytes) -> None:
    assert append_query(url, query) == joined


@given(st.binary())
def test_no_query_bends_a_location(query: bytes) -> None:
    assert fits_location(append_query(b"https://example.com/p#f", query))


@pytest.mark.parametrize("url", [b"", b"a b", b"a\r\nb", b"a\n", b"a\x00", b"\x7f", "é".encode()])
def test_what_does_not_fit_a_location(url: bytes) -> None:
    assert not fits_location(url)


def test_a_fixed_decision_is_what_would_be_decided() -> None:
    fixed = fixed_decisions(LINK)
    assert fixed is not None
    for platform in ("ios", "android", None):
        assert fixed[platform] == decide(LINK, platform, b"a=1", 5)
    assert fixed_decisions(replace(LINK, forward_query=True)) is None
    assert fixed_decisions(replace(LINK, expires_at_ms=5)) is None
