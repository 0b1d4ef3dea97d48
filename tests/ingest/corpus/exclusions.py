"""Entries of the sources whose label there is not ours, each with the reason. Everything else counts."""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Exclusion:
    """User agents that `pattern` finds are left out of a source."""

    pattern: re.Pattern[str]
    reason: str


def _exclusion(pattern: str, reason: str) -> Exclusion:
    return Exclusion(re.compile(pattern), reason)


NOT_PEOPLE: Final = (
    _exclusion(r"^Dalvik/", "an Android app's own request; the list is of what is no crawler, not of people"),
    _exclusion(r"CFNetwork/", "the same on Apple's systems"),
    _exclusion(
        r"^[^(]*$", "no system named in parentheses, which every browser does: noise such as 12, M, null"
    ),
)
NOT_ROBOTS: Final = (
    _exclusion(r"MSIE.*QQDownload", "a person's Internet Explorer with a download program"),
    _exclusion(r"MSIE.*PeoplePal", "a person's Internet Explorer with a toolbar"),
    _exclusion(r"MetaIAB Facebook", "Facebook's in-app browser"),
    _exclusion(r"; wv\).* Instagram \d", "Instagram's in-app browser"),
)


def is_excluded(user_agent: str, exclusions: tuple[Exclusion, ...]) -> bool:
    return any(exclusion.pattern.search(user_agent) for exclusion in exclusions)
