"""A request for a code. The lane and aiohttp's path read targets by the same grammar."""

import re
from dataclasses import dataclass
from typing import Final, Protocol

from edge.domains import Domain
from edge.routing import Decision, Platform

_SEGMENT: Final = rb"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"
# Groups: the suffix with its closing slash or "", and the code. A slash ends each segment and all is bounded,
# so there is little to try again. No possessive group: Python before 3.11.5 gets those wrong (gh-106052).
CODE_PATH: Final = rb"/((?:" + _SEGMENT + rb"/){0,4})([A-Za-z0-9_-]{1,50})"
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


class CodeRequest(Protocol):
    """A `GET` or `HEAD` for a code that waits for its decision, and the connection that it came by.

    `suffix` ends with a slash, or is empty; `address` is the client's. A request waits in one place at a
    time, until `answer` is called: `deadline` (loop time) and `followers` (later requests for the same code)
    are for where it waits.
    """

    suffix: bytes
    code: bytes
    query: bytes
    headers: RequestHeaders
    address: bytes
    deadline: float
    followers: "list[CodeRequest] | None"

    @property
    def method(self) -> bytes: ...

    @property
    def transport(self) -> object | None:
        """The connection; None once the client is gone."""
        ...

    def answer(self, decision: Decision) -> None: ...


def parse_target(target: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Suffix, code and query of a request target in origin form; None where no code can stand there."""
    match = _TARGET.match(target)
    return None if match is None else (match[1], match[2], match[3] or b"")
