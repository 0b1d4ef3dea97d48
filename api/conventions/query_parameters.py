"""A query parameter that a call does not declare is refused: a misspelt one would go unnoticed.

What a call declares is what its operation in the OpenAPI document says. Calls in a vendor's words pass over
what they don't know, as the vendor does; they are marked by `EXTRA_PARAMETERS`.
"""

from collections import Counter
from difflib import get_close_matches
from typing import Final

from fastapi import Depends, Request

from api.conventions.paths import template_of
from api.problems import Flaw, invalid_parameters

EXTRA_PARAMETERS: Final = "x-extra-parameters"
"""Marks operations that take any query parameter: `openapi_extra={EXTRA_PARAMETERS: "ignored"}`."""
_MAX_NAME_CHARS: Final = 60


async def require_known_parameters(request: Request) -> None:
    """Raises a 422 for each query parameter that the call does not declare, or that came more than once."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    if not given:
        return
    operation = request.app.openapi()["paths"][template_of(request.scope)][request.method.lower()]
    if EXTRA_PARAMETERS in operation:
        return
    known = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    flaws = [Flaw(_nearest(name, known), parameter=_shown(name)) for name in given if name not in known]
    flaws += [
        Flaw(f"Given {times} times; once is wanted", parameter=name)
        for name, times in given.items()
        if name in known and times > 1
    ]
    if flaws:
        raise invalid_parameters(*flaws)


KNOWN_PARAMETERS: Final = Depends(require_known_parameters)


def _nearest(name: str, known: list[str]) -> str:
    if not known:
        return "Not a parameter of this call, which takes none"
    nearest = get_close_matches(_shown(name).lower(), known, n=1)
    return "Not a parameter of this call; " + (
        f"{nearest[0]} is the nearest" if nearest else f"there are {', '.join(known)}"
    )


def _shown(name: str) -> str:
    return name[:_MAX_NAME_CHARS]
