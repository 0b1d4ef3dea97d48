"""A link as the edge keeps it in its cache."""

from dataclasses import dataclass

from edge.links import EdgeLink
from edge.routing import Decision, Platform


@dataclass(frozen=True, slots=True)
class KnownLink:
    """A link with what is derived from it once.

    `digits` is its number as Redis holds it with each code. `suffix` ends with a slash, or is empty.
    `click_fields` are the click event's fields that come from the link, as JSON without braces: with its own
    code, and with a personal one. `fixed_decisions` as in `edge.routing`.
    """

    link: EdgeLink
    digits: bytes
    suffix: bytes
    code: bytes
    click_fields: tuple[bytes, bytes]
    fixed_decisions: dict[Platform | None, Decision] | None
