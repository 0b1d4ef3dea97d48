"""The click event in JSON (`edge/clicks.py` lists its fields), put together from parts made beforehand."""

from collections.abc import Mapping
from typing import Final

import orjson

from edge.clicks import MAX_HEADER_CHARS, SIGNAL_HEADERS, VERSION
from edge.known_link import KnownLink
from edge.links import EdgeLink
from edge.request import CodeRequest
from edge.routing import Decision

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
        self._template: Final = (
            b'{"v":%d,"source":%d,"seq":%%%%d,"ts":%%d,"code":"%%%%b",%%%%b,"method":"%%%%b",'
            b'"route":"%%%%b","outcome":"%%%%b","ip":"%%%%b",%%%%b}' % (VERSION, source)
        )
        self._ts_ms = -1
        self._template_of_ts = b""

    def encode(
        self, seq: int, ts_ms: int, request: CodeRequest, known: KnownLink | None, decision: Decision
    ) -> bytes:
        """One event; without a link it is an orphan's.

        What is put between quotes here is plain ASCII by how it was read.
        """
        if ts_ms != self._ts_ms:
            self._ts_ms = ts_ms
            self._template_of_ts = self._template % ts_ms
        return self._template_of_ts % (
            seq,
            request.code,
            _NO_LINK_FIELDS if known is None else known.click_fields[request.code != known.code],
            request.method,
            decision.route.encode(),
            decision.outcome.encode(),
            request.address,
            request.headers.click_fields,
        )
