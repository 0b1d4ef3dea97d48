"""Errors of the SMS calls: problems with the vendor's `code` and `message` beside, for its clients."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.problems import MALFORMED_BODY, Problem, ProblemError

# The vendor's documented codes of what can be told apart here; for all else there is `message` alone.
_INVALID_JSON: Final = "7000"
_PARAMETER_MISSING: Final = "7003"


class VendorRoute(APIRoute):
    """Answers a `ProblemError` by itself; what else is raised is answered like everywhere."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_vendor(request: Request) -> Response:
            try:
                return await handle(request)
            except ProblemError as error:
                return _answer(error.problem, request.url.path)

        return handle_vendor


def _answer(problem: Problem, instance: str) -> Response:
    code = _code_of(problem)
    return problem.to_response(instance, {"message": problem.detail} | ({"code": code} if code else {}))


def _code_of(problem: Problem) -> str | None:
    if problem.type is MALFORMED_BODY:
        return _INVALID_JSON
    if any(flaw.detail == "Required, but missing" for flaw in problem.flaws):
        return _PARAMETER_MISSING
    return None
