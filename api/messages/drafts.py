"""From a body and a destination to the text that is sent, before and after its URLs are shortened. Pure."""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from api.messages.destinations import Destination
from api.messages.encoding import MAX_SEGMENTS, Encoding, count_segments, encoding_of
from api.messages.message import ContentType
from api.messages.substitution import MissingSubstitutionsError, render
from api.messages.urls import FoundUrl, find_urls, replace_urls
from api.problems import Flaw, pointer_to
from api.urls import normalise_url, points_to

NoticeCode = Literal["segments_grew", "encoding_changed", "url_left_long", "unknown_field"]

_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+\Z")


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the sender may want to know: a warning of the answer."""

    code: NoticeCode
    detail: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A destination's text, rendered, with the URLs that are to be shortened.

    `urls` has the normal form of each URL as it was written; those that stay long are not in it.
    """

    destination: Destination
    text: str
    content_type: ContentType
    encoding: Encoding
    segments: int
    found: Sequence[FoundUrl] = ()
    urls: Mapping[str, str] | None = None
    notices: Sequence[Notice] = ()


@dataclass(frozen=True, slots=True)
class Wording:
    """What all destinations of a request share. `only_last`: of the URLs, the last one alone is shortened."""

    text: str
    content_type: ContentType
    substitutions: Mapping[str, str]
    shorten: bool
    only_last: bool
    own_domains: Collection[str]


def draft(wording: Wording, destination: Destination) -> Draft | Flaw:
    """The draft for one destination, or what is wrong with it."""
    if destination.flaw is not None:
        return destination.flaw
    try:
        text = render(wording.text, {**wording.substitutions, **destination.substitutions})
    except MissingSubstitutionsError as error:
        names = ", ".join(f"${{{name}}}" for name in error.names)
        return _flaw(
            f"No substitution for {names} of {destination.to}: give it for all, or for this destination"
        )
    encoding, notices = _encoding(text, wording.content_type)
    if encoding == "8-bit" and not _HEX.match(text):
        return _flaw("Binary content is hexadecimal digits, two an octet")
    segments = count_segments(text, encoding)
    if segments > MAX_SEGMENTS:
        return _flaw(
            f"The text for {destination.to} takes {segments} segments; at most {MAX_SEGMENTS} are possible"
        )
    found = find_urls(text) if wording.shorten and encoding != "8-bit" else []
    urls, left_long = _choose(found, wording)
    return Draft(
        destination, text, wording.content_type, encoding, segments, found, urls, (*notices, *left_long)
    )


def shorten(drafted: Draft, short_urls: Mapping[str, str]) -> Draft:
    """The same with short URLs in place of the long ones, each by its normal form."""
    if not drafted.urls or not short_urls:
        return drafted
    text = replace_urls(
        drafted.text, drafted.found, {written: short_urls[url] for written, url in drafted.urls.items()}
    )
    encoding, notices = _encoding(text, drafted.content_type)  # anew: what was strange may have been a URL's
    segments = count_segments(text, encoding)
    notices += [one for one in drafted.notices if one.code != "encoding_changed"]
    if segments > drafted.segments:
        detail = f"The short URLs make the message longer: {drafted.segments} segments became {segments}"
        notices.append(Notice("segments_grew", detail))
    return dataclasses.replace(
        drafted, text=text, encoding=encoding, segments=segments, notices=tuple(notices)
    )


def _encoding(text: str, content_type: ContentType) -> tuple[Encoding, list[Notice]]:
    if content_type == "binary":
        return "8-bit", []
    if content_type == "unicode":
        return "UCS-2", []
    encoding = encoding_of(text)
    if encoding == "GSM-7":
        return encoding, []
    strange = next(char for char in text if encoding_of(char) != "GSM-7")
    return encoding, [
        Notice(
            "encoding_changed",
            f"{strange!r} is not in the GSM-7 alphabet: the message goes in UCS-2, 70 characters a segment",
        )
    ]


def _choose(found: Sequence[FoundUrl], wording: Wording) -> tuple[dict[str, str], list[Notice]]:
    """Which URLs are shortened: not our own short ones, and none that no link can lead to."""
    chosen: dict[str, str] = {}
    notices = []
    for one in found[-1:] if wording.only_last else found:
        if one.url in chosen:
            continue
        try:
            url = normalise_url(one.url)
        except ValueError as error:
            notices.append(Notice("url_left_long", f"{one.url[:100]} is sent as it is: {error}"))
            continue
        if not any(points_to(url, domain) for domain in wording.own_domains):
            chosen[one.url] = url
    return chosen, notices


def _flaw(detail: str) -> Flaw:
    return Flaw(detail, pointer=pointer_to("content"))
