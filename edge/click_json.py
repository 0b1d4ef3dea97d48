"""The click event in JSON (`edge/clicks.py` lists its fields), put together from parts made beforehand."""

from collections.abc import Mapping
from typing import Final, get_args

import orjson

from edge.clicks import MAX_HEADER_CHARS, SIGNAL_HEADERS, VERSION, Outcome, Route
from edge.known_link import KnownLink
from edge.links import EdgeLink
from edge.request import CodeRequest
from edge.routing import Decision

_WORDS: Final[dict[str, bytes]] = {word: word.encode() for word in (*get_args(Route), *get_args(Outcome))}
_NO_LINK_FIELDS: Final = orjson.dumps({"link": 0, "tenant": "", "personal": False})[1:-1]


def header_fields(host: str, headers: Mapping[str, str]) -> bytes:
    """The fields that come from a request's headers (by lower-case name), as JSON without braces."""
    fields = {
        "host": host,
        "ua": headers.get("user-agent", "")[:MAX_HEADER_CHARS],
        "referer": headers.get("referer", "")[:MAX_HEADER_CHARS],
        "language": headers.get("accept-language", "")[:MAX_HEADER_CHARS],
        "signals": {name: headers[name][:MAX_HEADER_CHARS] for name in SIGNAL_HEADERS if name in headers},
    }
    return orjson.dumps(fields)[1:-1]


def link_fields(link: EdgeLink) -> tuple[bytes, bytes]:
    """The fields that come from a link, as JSON without braces: with its own code, with a personal one."""
    fields = {"link": link.number, "tenant": link.tenant}
    own, personal = (orjson.dumps({**fields, "personal": is_personal})[1:-1] for is_personal in (False, True))
    return own, personal


class ClickEncoder:
    """Encodes the clicks of one spool."""

    def __init__(self, source: int) -> None:
        self._begin: Final = b'{"v":%d,"source":%d,"seq":' % (VERSION, source)
        self._ts_ms = -1
        self._ts = b""

    def encode(
        self, seq: int, ts_ms: int, request: CodeRequest, known: KnownLink | None, decision: Decision
    ) -> bytes:
        """One event; without a link it is an orphan's.

        What is put between quotes here is plain ASCII by how it was read.
        """
        if ts_ms != self._ts_ms:
            self._ts_ms = ts_ms
            self._ts = b"%d" % ts_ms
        link = _NO_LINK_FIELDS if known is None else known.click_fields[request.code != known.code]
        return b'%b%d,"ts":%b,"code":"%b",%b,"method":"%b","route":"%b","outcome":"%b","ip":"%b",%b}' % (
            self._begin,
            seq,
            self._ts,
            request.code,
            link,
            request.method,
            _WORDS[decision.route],
            _WORDS[decision.outcome],
            request.address,
            request.headers.click_fields,
        )
