"""A request for a code. The lane and aiohttp's path read targets by the same grammar."""

import re
from dataclasses import dataclass
from typing import Final

from mypy_extensions import mypyc_attr

from edge.domains import Domain
from edge.known_link import KnownLink
from edge.routing import Decision, Platform

_SEGMENT: Final = rb"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"
# Groups: the suffix with its closing slash or "", and the code. A slash ends each segment and all is bounded,
# so there is little to try again. No possessive group: Python before 3.11.5 gets those wrong (gh-106052).
MAX_CODE_BYTES: Final = 50
CODE_PATH: Final = rb"/((?:" + _SEGMENT + rb"/){0,4})([A-Za-z0-9_-]{1,%d})" % MAX_CODE_BYTES
_TARGET: Final = re.compile(CODE_PATH + rb"(?:\?([^#]*))?\Z")


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """What the edge needs of a request's headers.

    `domain` is None for a host that is none of ours. `click_fields` are the click event's fields that come
    from headers, as JSON without braces.
    """

    domain: Domain | None
    platform: Platform | None
    click_fields: bytes


@mypyc_attr(allow_interpreted_subclasses=True)
class CodeRequest:
    """A `GET` or `HEAD` for a code that waits for its decision, and the connection that it came by.

    `suffix` ends with a slash, or is empty; `address` is the client's. A request waits in one place at a
    time, until `answer` is called: `deadline` (loop time) and `followers` (later requests for the same code)
    are for where it waits, `found` is what its look-up came to.
    """

    __slots__ = ("address", "code", "deadline", "followers", "found", "headers", "method", "query", "suffix")

    suffix: bytes
    code: bytes
    query: bytes
    headers: RequestHeaders
    address: bytes
    found: KnownLink | Decision

    def __init__(self, method: bytes) -> None:
        self.method = method
        self.deadline = 0.0
        self.followers: list[CodeRequest] | None = None

    def is_gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        raise NotImplementedError

    def answer(self, decision: Decision) -> None:
        """Send it. Only called where it is not `is_gone`."""
        raise NotImplementedError


def parse_target(target: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Suffix, code and query of a request target in origin form; None where no code can stand there."""
    match = _TARGET.match(target)
    return None if match is None else (match[1], match[2], match[3] or b"")
