"""What a rule is. The list of them stands in `ingest/enrich/rules.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

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


class RequestFacts(NamedTuple):
    """What is known of a request beside its user agent. `language` is its `Accept-Language`, "" for none."""

    method: str
    signals: Mapping[str, str]
    language: str
    network_kind: str
    channel: str


@dataclass(frozen=True, slots=True)
class RequestRule:
    """Decides by what else is known of the request."""

    name: str
    verdict: Verdict
    matches: Callable[[RequestFacts], bool]


Rule = AgentRule | RequestRule
