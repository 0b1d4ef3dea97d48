"""HEAD is answered as GET would be, by its route (RFC 9110, 9.3.2); the server leaves the body out.

A route whose answer would be a long query's rows asks `IsHead`, and does not begin the query.
"""

from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

_MARK: Final = "smartlinks.is_head"


class HeadRequests:
    """ASGI middleware: shows a HEAD to the application as a GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # The server goes by the scope that it gave, and leaves the body out.
        as_get = {**scope, "method": "GET", _MARK: True}
        try:
            await self._app(as_get, receive, send)
        finally:
            if "route" in as_get:  # whoever measures wants to know
                scope["route"] = as_get["route"]


async def is_head(request: Request) -> bool:
    """Whether nothing but the head of the answer is wanted."""
    return _MARK in request.scope


IsHead = Annotated[bool, Depends(is_head)]
