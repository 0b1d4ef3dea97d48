"""What the client raises."""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Anything that goes wrong; its text is one line that says what to do."""


class UnreachableError(ClientError):
    """Nothing answers at the URL, or the connection broke."""


class ApiError(ClientError):
    """The API answered with a problem (RFC 9457): its status, and the document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        super().__init__(str(self.problem.get("detail") or self.problem.get("title") or f"status {status}"))
