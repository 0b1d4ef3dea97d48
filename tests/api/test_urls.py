"""Destinations are stored so that they can go into a header as they are."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.urls import MAX_URL_BYTES, normalise_url, points_to, short_url


@pytest.mark.parametrize(
    ("given_url", "stored"),
    [
        ("https://www.example.com", "https://www.example.com"),
        ("HTTPS://WWW.Example.COM/Path?Q=1#F", "https://www.example.com/Path?Q=1#F"),
        ("http://straße.example/ü?q=ä#é", "http://xn--strae-oqa.example/%C3%BC?q=%C3%A4#%C3%A9"),
        ("https://例え.example:8443/", "https://xn--r8jz45g.example:8443/"),
        ("http://[2001:DB8::0:1]:80/", "http://[2001:db8::1]:80/"),
        ("http://192.0.2.1/", "http://192.0.2.1/"),
        ("https://a_b.example/x%41%zz%", "https://a_b.example/x%41%25zz%25"),
        ("https://e.example/a?b[]=1&c={x}|<y>", "https://e.example/a?b[]=1&c=%7Bx%7D%7C%3Cy%3E"),
        ("https://e.example/?next=https://x@y:1/", "https://e.example/?next=https://x@y:1/"),
        ("http://intranet/", "http://intranet/"),
    ],
)
def test_a_url_is_brought_into_ascii(given_url: str, stored: str) -> None:
    assert normalise_url(given_url) == stored
    assert normalise_url(stored) == stored


@pytest.mark.parametrize(
    "url",
    [
        "http://0x7f.1/",
        "http://2130706433/",
        "http://1.2.3.4.5/",
        "http://256.1.1.1/",
        "http://a..example/",
        "http://-a.example/",
        "http://a-.example/",
        "http://%61.example/",
        "http://a.example:0/",
        "http://a.example:65536/",
        "http://a.example:8o/",
        "http://a.example:80:80/",
        "http://[::1/",
        "http://[v1.x]/",
        "http://" + "a" * 64 + ".example/",
        "http://" + "a." * 127 + "example/",
        "http://\u2028.example/",
        "http://xn--\u00e9.example/",
        "http://xn--zz.example/",
        "http://[fe80::1%25eth0]/",
        "http://a.example/\x7f",
        "http://a.example/\u0085",
        "http://a.example/\u3000",
        "http:/a.example/",
        "http:a.example",
        "https//a.example",
        " https://a.example",
        "",
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|\[ \]"):
        normalise_url(url)


@given(st.text(max_size=60), st.sampled_from(["https://e.example/", "https://", "http://[", ""]))
def test_what_is_stored_never_bends_a_header(rest: str, start: str) -> None:
    try:
        url = normalise_url(start + rest)
    except ValueError:
        return
    assert re.fullmatch(r"https?://[!-~]+", url)
    assert "\\" not in url
    assert len(url) <= MAX_URL_BYTES
    assert normalise_url(url) == url


@pytest.mark.parametrize(
    ("url", "domain", "leads_back"),
    [
        ("https://s.example.com/x", "s.example.com", True),
        ("http://s.example.com", "s.example.com", True),
        ("https://s.example.com.:443?x", "s.example.com", True),
        ("https://s.example.com:8443/", "s.example.com", False),
        ("https://www.s.example.com/", "s.example.com", False),
        ("https://other.example/?u=https://s.example.com/", "s.example.com", False),
        ("http://localhost:8080/x", "localhost:8080", True),
        ("http://127.0.0.1:8080/x", "localhost:8080", True),
        ("http://[::1]:8080/x", "localhost:8080", True),
        ("http://localhost:8000/x", "localhost:8080", False),
    ],
)
def test_a_loop_is_seen(url: str, domain: str, *, leads_back: bool) -> None:
    assert points_to(url, domain) is leads_back


def test_short_urls_are_https_save_on_loopback() -> None:
    assert short_url("s.example.com", "a/b", "Penhgy") == "https://s.example.com/a/b/Penhgy"
    assert short_url("localhost:8080", "", "Penhgy") == "http://localhost:8080/Penhgy"
    assert short_url("127.0.0.1:8080", "", "Penhgy") == "http://127.0.0.1:8080/Penhgy"
    assert short_url("[::1]:8080", "", "Penhgy") == "http://[::1]:8080/Penhgy"
