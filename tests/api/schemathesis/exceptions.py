"""Requests that fit the document and are refused all the same, each with its reason, and the reverse.

JSON Schema says what a value is like. Whether a time is past or a domain is configured, it can't say.
"""

import re
from collections.abc import Callable
from typing import Any, Final

# Operation, status, what the answer says, and why no schema can.
REFUSED: Final = (
    ("(PATCH|DELETE) /v1/links/.*", 412, "The present version is", "If-Match names a version that was"),
    (".*", 422, "The time is past", "what is past depends on the clock"),
    (".*", 422, "Not a configured domain", "which domains there are changes"),
    (".*", 422, "The URL leads back to", "which domains there are changes"),
    ("PUT /v1/links:upsert", 422, "Fixed once the link is made", "another link has this external_id"),
    ("(PATCH|DELETE) /v1/webhooks/.*", 422, "Receipts go to each message's", "`receipts` has no URL"),
    ("DELETE /v1/webhooks/.*", 422, "It can't be deleted", "`receipts` is always there"),
    ("POST /v1/links/.*/explain", 422, "Each header once", "names that differ in case only"),
    ("POST /v1/sms/messages", 422, ".", "the parts must fit together: see tests/api/messages"),
)

# Bodies with many parts: each part has a verdict of its own, the others are taken.
VERDICTS: Final[dict[str, Callable[[Any], bool]]] = {
    "POST /v1/clicks": lambda answer: isinstance(answer, list) and any("code" in each for each in answer),
    "POST /v1/sms/messages": lambda answer: any(each["status"] == "failed" for each in answer["messages"]),
}


def is_exception(operation: str, status: int, problem: dict[str, Any]) -> bool:
    """Whether each thing that the problem names is one of `REFUSED`."""
    told = [flaw["detail"] for flaw in problem.get("errors", ())] or [str(problem.get("detail"))]
    return all(
        any(
            re.fullmatch(label, operation) and status == expected and re.match(says, detail)
            for label, expected, says, _ in REFUSED
        )
        for detail in told
    )
