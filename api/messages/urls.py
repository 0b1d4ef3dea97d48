"""The https URLs in the text of a message, and others put in their places. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from linkify_it import LinkifyIt

_LINKIFIER: Final = LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
_SCHEME: Final = "https:"


@dataclass(frozen=True, slots=True)
class FoundUrl:
    """`text[start:end]` is the URL as it was written."""

    start: int
    end: int
    url: str


def find_urls(text: str) -> list[FoundUrl]:
    """The https URLs in the order they stand, without the punctuation and brackets around them."""
    if _SCHEME not in text.lower():
        return []
    return [
        FoundUrl(match.index, match.last_index, match.raw)
        for match in _LINKIFIER.match(text) or ()
        if match.schema == _SCHEME
    ]


def replace_urls(text: str, found: Sequence[FoundUrl], replacements: Mapping[str, str]) -> str:
    """The text with each found URL replaced; those without a replacement stay."""
    pieces: list[str] = []
    at = 0
    for one in found:
        pieces += [text[at : one.start], replacements.get(one.url, one.url)]
        at = one.end
    return "".join([*pieces, text[at:]])
