"""Placeholders `${name}` in a message, filled by the destination's substitutions or the global ones. Pure."""

import re
from collections.abc import Mapping
from typing import Final

# The vendor's own examples write $(name), too. That may as well be a price, so it counts only where a
# substitution of this name came.
_PLACEHOLDER: Final = re.compile(r"\$\{([^{}]*)\}|\$\(([^()]*)\)")


class MissingSubstitutionsError(ValueError):
    """Placeholders without a value; `names` in the order they stand."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


def render(text: str, substitutions: Mapping[str, str]) -> str:
    """The text with every placeholder filled, in one pass: values are not rendered again.

    Raises `MissingSubstitutionsError`.
    """
    if "$" not in text:
        return text
    missing: dict[str, None] = {}

    def fill(placeholder: re.Match[str]) -> str:
        braced, round_ = placeholder.groups()
        name = braced if round_ is None else round_
        value = substitutions.get(name.strip())
        if value is None:
            if round_ is None:
                missing[name.strip()] = None
            return placeholder[0]
        return value

    rendered = _PLACEHOLDER.sub(fill, text)
    if missing:
        raise MissingSubstitutionsError(list(missing))
    return rendered
