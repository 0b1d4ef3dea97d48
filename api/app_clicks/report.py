"""A reported click in the vendor's words, and the answers with the vendor's codes. Pure."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

MAX_TEXT_CHARS: Final = 2048
CODE: Final = re.compile(r"[!-~]{1,128}")
_FIELDS: Final = ("short-url", "user-agent", "ip-address")


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer for one click. `code` is None where it was counted."""

    status: int
    code: int | None
    text: str

    def to_dict(self) -> dict[str, object]:
        if self.code is None:
            return {"transaction-id": self.text}
        return {"code": self.code, "description": self.text}


def seen_already(transaction_id: str) -> Outcome:
    """The same person's click is counted; `transaction_id` names it."""
    return Outcome(200, 1010, f"This click is counted already, as {transaction_id}")


def missing(what: str) -> Outcome:
    return Outcome(400, 1001, what)


def invalid(what: str) -> Outcome:
    return Outcome(400, 1002, what)


UNKNOWN: Final = Outcome(404, 1003, "There is no such short URL, or it is older than clicks are kept")

# The vendor's codes for what happens before a click is looked at, by HTTP status.
CODE_OF_STATUS: Final[Mapping[int, tuple[int, int]]] = {
    401: (401, 430),
    403: (401, 430),
    405: (405, 405),
    408: (400, 1002),
    413: (400, 1002),
    415: (400, 1002),
    429: (429, 429),
    500: (500, 500),
    503: (503, 500),
}
EXPIRED_TOKEN: Final = (498, 498)
CLIENT_LEFT: Final = (499, 499)


@dataclass(frozen=True, slots=True)
class AppClick:
    """A click as an app reported it. `host` is lower case, with its port if it has one."""

    host: str
    suffix: str
    code: str
    user_agent: str
    ip: str


def read_click(value: Any) -> AppClick | Outcome:
    """The click, or what is wrong with it."""
    try:
        return _read(value)
    except ValueError as error:
        return invalid(str(error))


def _read(value: Any) -> AppClick | Outcome:
    if not isinstance(value, dict):
        raise ValueError('A JSON object is wanted, such as {"short-url": "https://s.example.com/Penhgy"}')  # noqa: TRY004 - a body's value, not a caller's mistake
    if unknown := [name for name in value if name not in _FIELDS]:
        raise ValueError(f"{str(unknown[0])[:100]} is not a known field; there are {', '.join(_FIELDS)}")
    short_url, user_agent, address = (_read_text(name, value.get(name)) for name in _FIELDS)
    if not short_url:
        return missing("short-url is missing: give the whole short URL that was opened")
    host, suffix, code = _read_url(short_url)
    return AppClick(host, suffix, code, user_agent=user_agent, ip=_read_address(address))


def _read_text(name: str, text: Any) -> str:
    if text is None:
        return ""
    if not isinstance(text, str) or len(text) > MAX_TEXT_CHARS:
        raise ValueError(f"{name} is a string of at most {MAX_TEXT_CHARS:,} characters")
    return text


def _read_address(text: str) -> str:
    if not text:
        return ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("ip-address is an IPv4 or IPv6 address, such as 192.0.2.1") from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address).partition("%")[0]


def _read_url(text: str) -> tuple[str, str, str]:
    """Host, suffix and code. A scheme may be left out, as messages leave it out."""
    refusal = "short-url is a whole short URL, such as https://s.example.com/Penhgy"
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise ValueError(refusal) from None
    *suffix, code = parts.path.strip("/").split("/")
    if parts.scheme not in {"http", "https"} or not host or not CODE.fullmatch(code):
        raise ValueError(refusal)
    return f"{host}{port}", "/".join(suffix), code
