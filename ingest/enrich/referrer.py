"""Referrer: the site that a click came from, as a breakdown key."""

import re
from typing import Final

DIRECT: Final = "Direct"
OTHER: Final = "Other"

# Scheme, perhaps user information, and the host: a name, an Android package, or an address.
_HOST = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?([a-z0-9_](?:[a-z0-9_.-]{0,252})|\[[0-9a-f:.]{2,45}\])"
    r"(?::\d*)?(?:[/?#]|\Z)",
    re.IGNORECASE,
)


def referrer_of(referer: str) -> str:
    """The host of a `Referer` header in lower case; `Direct` where there is none, `Other` if it is no URL."""
    if not referer:
        return DIRECT
    found = _HOST.match(referer)
    return found[1].lower().rstrip(".") if found else OTHER
