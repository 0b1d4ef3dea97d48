"""What the client raises."""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Anything that goes wrong; its text is one line that says what to do."""


class UnreachableError(ClientError):
    """Nothing answers at the URL, or what answers is not the API, or the connection broke."""


class ApiError(ClientError):
    """The API answered with a problem (RFC 9457): its status, and the document.

    Reported clicks are refused in the vendor's shape: `code` and `description`.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        texts = (self.problem.get(name) for name in ("detail", "description", "title"))
        super().__init__(next((str(text) for text in texts if text), f"HTTP status {status}"))
