"""Header blocks as phones send them."""

from collections.abc import Iterator
from itertools import product
from typing import Final

_IPHONE: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/{major}.{minor} Mobile/15E148 Safari/604.1"
)
_ANDROID: Final = (
    "Mozilla/5.0 (Linux; Android {version}; {model}) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{chrome}.0.0.0 Mobile Safari/537.36"
)
_LANGUAGES: Final = ("en-US,en;q=0.9", "en-GB,en;q=0.9", "de-DE,de;q=0.9", "hi-IN,hi;q=0.9", "es-ES,es;q=0.9")
_MODELS: Final = ("K", "SM-S911B", "Pixel 8", "CPH2451")


def user_agents(releases: int = 1) -> list[str]:
    """80 user agents for each release of the browsers."""
    iphones = [
        _IPHONE.format(major=major, minor=minor)
        for major, minor in product(range(15, 19), range(8 * releases))
    ]
    androids = [
        _ANDROID.format(version=version, model=model, chrome=chrome)
        for version, model, chrome in product(range(12, 16), _MODELS, range(128, 128 + 3 * releases))
    ]
    return iphones + androids


def header_lines(host: str, releases: int = 1) -> Iterator[list[str]]:
    """The header lines of 400 kinds of phones for each release, without line ends."""
    for agent, language in product(user_agents(releases), _LANGUAGES):
        yield [
            f"Host: {host}",
            f"User-Agent: {agent}",
            "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "Accept-Encoding: gzip, deflate, br",
            f"Accept-Language: {language}",
            "Sec-Fetch-Site: none",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: document",
            "Connection: keep-alive",
        ]
