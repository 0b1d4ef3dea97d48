"""What becomes of exceptions: each is answered as a problem, at this one place."""

import logging
from collections.abc import Sequence
from typing import Any, Final, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.conventions.paths import template_of, without_recipient
from api.conventions.shared_state import SharedStateUnavailableError
from api.problems import (
    INTERNAL,
    INVALID_PARAMETERS,
    MALFORMED_REQUEST,
    MEDIA_TYPE,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    Flaw,
    Problem,
    ProblemError,
    ProblemType,
    problem_of_validation,
    unavailable,
)
from edge.contract import LinkStoreUnavailableError
from ingest.contract import CursorError, OutboxUnavailableError, WarehouseUnavailableError

log = logging.getLogger(__name__)

_DOWN: Final = {
    LinkStoreUnavailableError: "Redis can't be reached.",
    WarehouseUnavailableError: "The warehouse can't be reached.",
    SharedStateUnavailableError: "Redis can't be reached.",
    OutboxUnavailableError: "The disk takes no link events: it is full or read-only.",
}


class ProblemDocument(BaseModel):
    """RFC 9457 problem, as the OpenAPI document shows it."""

    type: str = Field(examples=["/problems/invalid-body"])
    title: str
    status: int
    detail: str = Field(description="What is wrong and what to do")
    instance: str | None = Field(None, description="The path that was asked")
    request_id: str | None = Field(
        None, description="X-Request-Id of the answer; tell it when you ask for help"
    )
    errors: list[dict[str, str]] | None = Field(
        None,
        description="Each with detail, and pointer (into the body) or parameter",
        examples=[[{"pointer": "#/device_routes/ios", "detail": "The URL begins with http:// or https://"}]],
    )


def document_problems(*types: ProblemType) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these."""
    responses: dict[int | str, dict[str, Any]] = {}
    for type_ in types:
        content = {
            "schema": {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"},
            "example": Problem(type_, "What is wrong and what to do.").to_dict(),
        }
        if type_.status in responses:
            responses[type_.status]["description"] += f"; {type_.title}"
        else:
            responses[type_.status] = {"description": type_.title, "content": {MEDIA_TYPE: content}}
    return responses


def handle_errors(app: FastAPI) -> None:
    """Let every error of this app be answered as a problem."""
    app.exception_handler(HTTPException)(_on_http_exception)
    app.exception_handler(RequestValidationError)(_on_validation_error)
    app.exception_handler(CursorError)(_on_cursor_error)
    app.exception_handler(Exception)(_on_bug)
    for error_type in _DOWN:
        app.exception_handler(error_type)(_on_unavailable)


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    if isinstance(error, ProblemError):
        return error.problem.to_response(request.url.path)
    if error.status_code == 404:
        problem = Problem(NOT_FOUND, "There is nothing at this path; /docs lists what there is.")
    elif error.status_code == 405:
        allowed = _methods_at(request)
        problem = Problem(METHOD_NOT_ALLOWED, f"This path takes {allowed}.", headers={"Allow": allowed})
    else:
        problem = Problem(MALFORMED_REQUEST, "The request could not be read.")
    return problem.to_response(request.url.path)


def _methods_at(request: Request) -> str:
    """All methods of the path that was asked for; a route knows its own only."""
    operations = request.app.openapi()["paths"].get(template_of(request.scope), {"get": {}})
    methods = {method.upper() for method in operations}
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


async def _on_validation_error(request: Request, error: RequestValidationError) -> Response:
    problem = problem_of_validation(cast("Sequence[ErrorDetails]", error.errors()))
    return problem.to_response(request.url.path)


async def _on_cursor_error(request: Request, error: CursorError) -> Response:
    flaw = Flaw(str(error), parameter="cursor")
    return Problem(INVALID_PARAMETERS, f"cursor: {error}", [flaw]).to_response(request.url.path)


async def _on_unavailable(request: Request, error: Exception) -> Response:
    log.warning("%s %s: %s", request.method, without_recipient(request.url.path), error)
    return problem_of(error).to_response(request.url.path)


async def _on_bug(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, without_recipient(request.url.path), exc_info=error)
    return problem_of(error).to_response(request.url.path)


def problem_of(error: Exception) -> Problem:
    """What to tell of any exception."""
    if isinstance(error, ProblemError):
        return error.problem
    reason = _DOWN.get(type(error))
    if reason is not None:
        return unavailable(reason).problem
    return Problem(INTERNAL, "The log tells more; please report it.")
