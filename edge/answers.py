"""Answers on the wire: the same status, headers and bytes from the lane and from aiohttp."""

import email.utils
from dataclasses import dataclass, replace
from typing import Final

from edge.pages import (
    BAD_REQUEST_PAGE,
    FAILED_PAGE,
    GONE_PAGE,
    METHOD_NOT_ALLOWED_PAGE,
    NOT_FOUND_PAGE,
    TOO_MANY_MISSES_PAGE,
    UNAVAILABLE_PAGE,
)
from edge.routing import Decision

SERVER: Final = "smartlinks"
RETRY_AFTER_S: Final = 1
RETRY_AFTER_MISSES_S: Final = 10

_EVERY_ANSWER: Final = (("Cache-Control", "private, no-store"), ("X-Robots-Tag", "noindex"))
_HTML: Final = ("Content-Type", "text/html; charset=utf-8")


@dataclass(frozen=True, slots=True)
class Answer:
    """One kind of answer. `Location` goes before these headers; `Date`, `Server` and `Connection` after."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def rest(self, second: int, *, close: bool) -> bytes:
        """All after the status line and `Location`. `second` is Unix time."""
        fields = (*self.headers, *dated(second), *((("Connection", "close"),) if close else ()))
        return "".join(f"{name}: {value}\r\n" for name, value in fields).encode() + b"\r\n" + self.body


def _answer(status: int, reason: str, body: bytes, *headers: tuple[str, str]) -> Answer:
    return Answer(status, reason, (*_EVERY_ANSWER, *headers, ("Content-Length", str(len(body)))), body)


ANSWERS: Final = {
    "redirected": _answer(302, "Found", b""),
    "not_found": _answer(404, "Not Found", NOT_FOUND_PAGE, _HTML),
    "method_not_allowed": _answer(
        405, "Method Not Allowed", METHOD_NOT_ALLOWED_PAGE, _HTML, ("Allow", "GET, HEAD")
    ),
    "bad_request": _answer(400, "Bad Request", BAD_REQUEST_PAGE, _HTML),
    "failed": _answer(500, "Internal Server Error", FAILED_PAGE, _HTML),
    "gone": _answer(410, "Gone", GONE_PAGE, _HTML),
    "too_many_misses": _answer(
        429,
        "Too Many Requests",
        TOO_MANY_MISSES_PAGE,
        _HTML,
        ("Retry-After", str(RETRY_AFTER_MISSES_S)),
    ),
    "unavailable": _answer(
        503, "Service Unavailable", UNAVAILABLE_PAGE, _HTML, ("Retry-After", str(RETRY_AFTER_S))
    ),
}


def answer_to(decision: Decision) -> Answer:
    """What a decision amounts to, save the `Location`."""
    if decision.destination:
        return ANSWERS["redirected"]
    ours = ANSWERS[decision.outcome]
    if not decision.page:
        return ours
    *others, _ = ours.headers
    return replace(ours, headers=(*others, ("Content-Length", str(len(decision.page)))), body=decision.page)


def dated(second: int) -> tuple[tuple[str, str], ...]:
    """The `Date` and `Server` headers of an answer at this Unix time."""
    return ("Date", email.utils.formatdate(second, usegmt=True)), ("Server", SERVER)


class RenderedAnswers:
    """Answers to GET in bytes. What stays the same within a second is joined once a second."""

    def __init__(self) -> None:
        self.second = -1
        self.close = False
        self._pages: dict[
            tuple[str, bytes], bytes
        ] = {}  # of this second, by outcome and the domain's own page
        self._redirect_rest = b""

    def turn_to(self, second: int) -> None:
        """Date answers by this Unix time from now on."""
        if second != self.second:
            self.second = second
            self._render_all()

    def close_after_each(self) -> None:
        """From now on every answer is the last of its connection."""
        self.close = True
        self._render_all()

    def render(self, decision: Decision) -> bytes:
        if decision.destination:
            return b"HTTP/1.1 302 Found\r\nLocation: %b%b" % (decision.destination, self._redirect_rest)
        return self._pages.get((decision.outcome, decision.page)) or self._render_page(decision)

    def _render_page(self, decision: Decision) -> bytes:
        answer = answer_to(decision)
        rendered = b"HTTP/1.1 %d %b\r\n" % (answer.status, answer.reason.encode()) + answer.rest(
            self.second, close=self.close
        )
        self._pages[decision.outcome, decision.page] = rendered
        return rendered

    def _render_all(self) -> None:
        self._redirect_rest = b"\r\n" + ANSWERS["redirected"].rest(self.second, close=self.close)
        self._pages = {}
