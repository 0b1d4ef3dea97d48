"""The path of a request as it may be told and kept, and the template that it fits."""

import re
from collections.abc import Mapping
from typing import Any, Final

_RECIPIENT: Final = re.compile(r"(/v1/recipients/).+?(/clicks)?\Z", re.DOTALL)


def without_recipient(path: str) -> str:
    """For logs and the audit log, which outlive an erasure: nobody's number stands there."""
    return _RECIPIENT.sub(r"\1{recipient}\2", path)


def template_of(scope: Mapping[str, Any]) -> str:
    """The template as the OpenAPI document has it; `none` where no route was found (yet)."""
    return getattr(scope.get("route"), "path_format", "none")
