"""A request for a code, read from bytes. Pure; the lane and aiohttp's path read by the same functions."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from edge.click_json import header_fields
from edge.domains import Domain, Domains
from edge.routing import Decision, Platform, platform_of

_SEGMENT: Final = rb"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"
# Groups: the suffix with its closing slash or "", and the code. Atomic and possessive, so that matching takes
# time linear in the length, whatever is sent.
CODE_PATH: Final = rb"/((?:(?>" + _SEGMENT + rb")/){0,4}+)([A-Za-z0-9]{4,12})"
_TARGET: Final = re.compile(CODE_PATH + rb"(?:\?([^#]*))?\Z")


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """What the edge needs of a request's headers.

    `domain` is None for a host that is none of ours. `click_fields` are the click event's fields that come
    from headers, as JSON without braces.
    """

    domain: Domain | None
    platform: Platform | None
    forwarded_for: str
    click_fields: bytes


class Asker(Protocol):
    """Whoever waits for the decision on a request."""

    @property
    def connected(self) -> bool:
        """Whether the client is still there."""
        ...

    def answer(self, decision: Decision) -> None: ...


@dataclass(slots=True)
class CodeRequest:
    """A `GET` or `HEAD` for a code. `suffix` ends with a slash, or is empty; `address` is the client's."""

    asker: Asker
    method: bytes
    suffix: bytes
    code: bytes
    query: bytes
    headers: RequestHeaders
    address: str


def parse_target(target: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Suffix, code and query of a request target in origin form; None where no code can stand there."""
    match = _TARGET.match(target)
    return None if match is None else (match[1], match[2], match[3] or b"")


def read_headers(fields: Iterable[tuple[bytes, bytes]], domains: Domains) -> RequestHeaders:
    """Read header fields as they came, values stripped.

    Of a repeated field the first counts, save `X-Forwarded-For`, which is one list over all its lines.
    """
    values: dict[str, str] = {}
    host = b""
    for raw_name, raw_value in fields:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("utf-8", "replace")
        if name == "host":
            host = host or raw_value
        elif name == "x-forwarded-for" and name in values:
            values[name] += "," + value
        else:
            values.setdefault(name, value)
    domain = domains.find(host)
    return RequestHeaders(
        domain=domain,
        platform=platform_of(values.get("user-agent", ""), values.get("sec-ch-ua-platform", "")),
        forwarded_for=values.get("x-forwarded-for", ""),
        click_fields=header_fields(domain.name if domain else "", values),
    )
