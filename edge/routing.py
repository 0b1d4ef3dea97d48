"""Which destination a request gets. Pure functions: the edge answers by them, `explain` tells by them."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from edge.clicks import Outcome, Route
from edge.links import EdgeLink

Platform = Literal["ios", "android"]

# Browsers of iOS name themselves even on an iPad that passes for a Mac, and no Mac names a `Mobile/` build.
_IOS: Final = re.compile(r"iPhone|iPad|iPod|CriOS/|FxiOS/|EdgiOS/|OPiOS/|Macintosh;.*? Mobile/")
_ANDROID: Final = re.compile(r"Android")
# Windows Phone names both others in its user agent, to be served their pages.
_NEITHER: Final = re.compile(r"Windows Phone")
_HINTED: Final[dict[str, Platform]] = {"ios": "ios", "android": "android"}

# What RFC 3986 allows in a query; all else is percent-encoded before it goes into a Location.
_UNSAFE_IN_QUERY: Final = re.compile(rb"[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]")
_VISIBLE_ASCII: Final = re.compile(rb"[\x21-\x7e]+\Z")


@dataclass(frozen=True, slots=True)
class Decision:
    """What is answered: a redirect to `destination`, or, where that is "", what `outcome` stands for.

    `page` is the domain's own HTML in place of ours, "" for none.
    """

    route: Route
    outcome: Outcome | Literal["too_many_misses", "unavailable"]
    destination: bytes
    page: bytes = b""


GONE: Final = Decision("expired", "gone", b"")
NOT_FOUND: Final = Decision("none", "not_found", b"")
TOO_MANY_MISSES: Final = Decision("none", "too_many_misses", b"")
UNAVAILABLE: Final = Decision("none", "unavailable", b"")


def platform_of(user_agent: str, platform_hint: str) -> Platform | None:
    """The platform whose route applies; None for every other.

    `platform_hint` is the value of `Sec-CH-UA-Platform`, quotes and all, "" where it did not come. It wins
    where it names a mobile platform: Android in desktop mode says so there alone. Where it names another, or
    none, the user agent decides.

    What headers can't tell: Safari on an iPad asks for desktop sites unless told otherwise, says that it is a
    Macintosh and sends no hint, so nothing tells it from a Mac, and it gets the default destination. No
    browser of iOS sends hints at all. `Sec-CH-UA-Mobile` tells the form, not the platform: a tablet with
    Android says `?0`, so it is not asked.
    """
    hinted = _HINTED.get(platform_hint.strip('"').lower())
    if hinted is not None:
        return hinted
    if _NEITHER.search(user_agent):
        return None
    if _IOS.search(user_agent):
        return "ios"
    return "android" if _ANDROID.search(user_agent) else None


def decide(link: EdgeLink, platform: Platform | None, query: bytes, now_ms: int) -> Decision:
    """The route, outcome and destination for a request of this link at `now_ms` (Unix time in ms).

    `query` is the request's query string as it came, without its question mark. It is forwarded to the
    destinations of a live link only.
    """
    if link.expires_at_ms is not None and link.expires_at_ms <= now_ms:
        if link.expired_url is None:
            return GONE
        return Decision("expired", "redirected", link.expired_url)
    route: Route = "default"
    destination = link.destination
    if platform == "ios" and link.ios is not None:
        route, destination = "ios", link.ios
    elif platform == "android" and link.android is not None:
        route, destination = "android", link.android
    if query and link.forward_query:
        destination = append_query(destination, query)
    return Decision(route, "redirected", destination)


def fixed_decisions(link: EdgeLink) -> dict[Platform | None, Decision] | None:
    """What `decide` answers for each platform; None where time or the query decide as well."""
    if link.expires_at_ms is not None or link.forward_query:
        return None
    return {platform: decide(link, platform, b"", 0) for platform in (None, "ios", "android")}


def append_query(url: bytes, query: bytes) -> bytes:
    """`url` with `query` after its own query and before its fragment; unsafe bytes percent-encoded."""
    base, hash_mark, fragment = url.partition(b"#")
    if b"?" not in base:
        joint = b"?"
    elif base.endswith((b"?", b"&")):
        joint = b""
    else:
        joint = b"&"
    safe = _UNSAFE_IN_QUERY.sub(lambda match: b"%%%02X" % match[0][0], query)
    return base + joint + safe + hash_mark + fragment


def fits_location(url: bytes | None) -> bool:
    """Whether a stored URL can stand in a `Location` header: visible ASCII alone. None (no URL) fits."""
    return url is None or _VISIBLE_ASCII.match(url) is not None
