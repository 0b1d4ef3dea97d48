"""JSON bodies: bounded, parsed by orjson, refused with the place where they break."""

from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.problems import (
    BODY_TOO_LARGE,
    MALFORMED_BODY,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemError,
)

MAX_BODY_BYTES: Final = 1024 * 1024
JSON_TYPES: Final = ("application/json", "application/merge-patch+json")


class JsonRequest(Request):
    """Its body is read once, at most `MAX_BODY_BYTES` of it, and only where it says that it is JSON."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            require_media_type(self, JSON_TYPES)
            self._body = await read_body(self)
        return self._body

    async def json(self) -> Any:
        return parse_json(await self.body())


class JsonRoute(APIRoute):
    """A route whose body, if it has one, is a `JsonRequest`'s."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive))

        return handle_json


def require_media_type(request: Request, accepted: Collection[str]) -> str:
    """The request's media type in lower case. Raises a 415 where it is not among the accepted ones."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in accepted:
        raise ProblemError(
            UNSUPPORTED_MEDIA_TYPE,
            f"Send the body with Content-Type: {' or '.join(accepted)}.",
            headers={"Accept": ", ".join(accepted)},
        )
    return media_type


async def read_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """The whole body. Raises a 413 as soon as it is known to be longer than `limit` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def parse_json(body: bytes, what: str = "body") -> Any:
    """The value. NaN, lone surrogates, what is no UTF-8 and endless nesting are refused. Raises a 400."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProblemError(
            MALFORMED_BODY, f"The {what} breaks at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None


def _too_large(limit: int) -> ProblemError:
    return ProblemError(BODY_TOO_LARGE, f"A JSON body has at most {limit:,} bytes; send several requests.")
