"""The outermost middleware: a request id, headers that keep browsers careful, a problem for every crash."""

import logging
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.conventions.paths import without_recipient
from api.conventions.request_ids import HEADER, begin_request
from api.errors import problem_of

SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
UNCACHED_PATHS: Final = "/v1/"

log = logging.getLogger(__name__)


class Envelope:
    """ASGI middleware. An answer's own header of a name counts before ours: pages have their own policy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = begin_request(Headers(scope=scope).get(HEADER))
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers[HEADER] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(UNCACHED_PATHS):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            log.exception("%s %s failed", scope["method"], without_recipient(scope["path"]))
            if started:
                raise
            await problem_of(error).to_response(scope["path"])(scope, receive, send_with_headers)
