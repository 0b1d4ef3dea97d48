"""Answers of `POST /v1/clicks` in the vendor's shape, those too that are made before the route is reached."""

from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.app_clicks.report import CODE_OF_STATUS, EXPIRED_TOKEN
from api.problems import MEDIA_TYPE

PATH: Final = "/v1/clicks"
_OUR_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_EXPIRED: Final = "expired"


class VendorShape:
    """ASGI middleware: a problem on this path becomes `{"code", "description"}` under the vendor's status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] in _OUR_METHODS:
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def translate(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                if dict(message["headers"]).get(b"content-type") != MEDIA_TYPE.encode():
                    await send(message)
                else:
                    start = message
            elif start is None:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    await _send_translated(start, orjson.loads(body), send)

        await self._app(scope, receive, translate)


async def _send_translated(start: Message, problem: dict[str, Any], send: Send) -> None:
    status, code = translate_status(start["status"], str(problem.get("detail", "")))
    answer = orjson.dumps({"code": code, "description": problem.get("detail") or HTTPStatus(status).phrase})
    replaced = {b"content-type": b"application/json", b"content-length": b"%d" % len(answer)}
    headers = [(name, replaced.get(name, value)) for name, value in start["headers"]]
    await send({**start, "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def translate_status(status: int, detail: str) -> tuple[int, int]:
    """The vendor's status and code for a problem of ours."""
    if status == HTTPStatus.UNAUTHORIZED and _EXPIRED in detail:
        return EXPIRED_TOKEN
    return CODE_OF_STATUS.get(status, (400, 1002) if status < 500 else (500, 500))
