"""What a rule is. The rules themselves stand in `ingest/enrich/rules.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["human", "preview", "automated"]


@dataclass(frozen=True, slots=True)
class AgentRule:
    """Decides by the user agent alone, so that its answer can be kept.

    `pattern` is a Rust regular expression (no look-around), searched anywhere in the user agent,
    case-sensitive unless it says `(?i)`.
    """

    name: str
    verdict: Verdict
    pattern: str


@dataclass(frozen=True, slots=True)
class RequestRule:
    """Decides by the method and the signal headers."""

    name: str
    verdict: Verdict
    matches: Callable[[str, Mapping[str, str]], bool]


Rule = AgentRule | RequestRule
