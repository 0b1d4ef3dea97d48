"""ETag and If-Match (RFC 9110): a change that was meant for another version than the present one is refused.

The tag is the version of what was set: counts of clicks in an answer change without it.
"""

from typing import Annotated, Final

from fastapi import Header

from api.problems import PRECONDITION_FAILED, ProblemError

IfMatch = Annotated[
    str | None,
    Header(
        max_length=1000, description="ETag of the version that is meant, or *; else 412", examples=['"3"']
    ),
]
ANY: Final = "*"


def etag_of(version: int) -> str:
    return f'"{version}"'


def require_match(if_match: str | None, version: int) -> None:
    """Raises a 412 where a header came and names another version. Tags are compared strongly."""
    if if_match is None or if_match.strip() == ANY:
        return
    if etag_of(version) not in (tag.strip() for tag in if_match.split(",")):
        raise ProblemError(
            PRECONDITION_FAILED,
            f"The present version is {etag_of(version)}; read it again, then change it.",
            headers={"ETag": etag_of(version)},
        )
