"""The verdict on a click: the first rule of an ordered list that matches.

All user agent patterns, about 1,500, are matched by one call into ua-parser's Rust matcher, which looks for
their literals first: under 2 microseconds a user agent, where walking them in Python costs milliseconds.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import orjson
from ua_parser_rs import UserAgentExtractor

from ingest.enrich.addresses import UNKNOWN_NAME
from ingest.enrich.rule import AgentRule, RequestFacts, RequestRule, Rule, Verdict
from ingest.enrich.rules import RULES

CACHE_SIZE: Final = 16_384


class Judgement(NamedTuple):
    """A row of the verdict's columns: the verdict and the name of the rule that decided."""

    verdict: Verdict
    rule: str


class Judge:
    """Applies an ordered list of rules, of which the last must match every request."""

    def __init__(self, rules: Sequence[Rule] = RULES) -> None:
        self._judgements = [Judgement(rule.verdict, rule.name) for rule in rules]
        self._request_rules = [
            (at, rule.matches) for at, rule in enumerate(rules) if isinstance(rule, RequestRule)
        ]
        self._agent_rules = UserAgentExtractor(
            (rule.pattern, str(at), None, None, None, None)
            for at, rule in enumerate(rules)
            if isinstance(rule, AgentRule)
        )
        self._first_agent_rule = lru_cache(CACHE_SIZE)(self._match_agent)
        self.of_stored = lru_cache(CACHE_SIZE)(self._judge_stored)
        """As a call, with the signals as JSON; what was judged once is remembered."""

    def __call__(
        self,
        method: str,
        user_agent: str,
        signals: Mapping[str, str],
        language: str = "",
        network_kind: str = UNKNOWN_NAME,
        channel: str = "redirect",
    ) -> Judgement:
        """`signals` are header values by lower-case name; `network_kind` as `network_kinds.py` has it."""
        by_agent = self._first_agent_rule(user_agent)
        facts = RequestFacts(method, signals, language, network_kind, channel)
        for at, matches in self._request_rules:
            if at > by_agent:
                break
            if matches(facts):
                return self._judgements[at]
        return self._judgements[by_agent]

    @property
    def misses(self) -> int:
        """How often `of_stored` had to judge so far."""
        return self.of_stored.cache_info().misses

    def _judge_stored(
        self, method: str, user_agent: str, signals: str, language: str, network_kind: str, channel: str
    ) -> Judgement:
        return self(method, user_agent, orjson.loads(signals), language, network_kind, channel)

    def _match_agent(self, user_agent: str) -> int:
        """The index of the first rule for this user agent; the last rule's where none matches."""
        # Word boundaries in a text with letters of other scripts take the matcher a hundred times as long.
        found = self._agent_rules.extract(user_agent.encode("ascii", "replace").decode())
        return int(found.family) if found is not None else len(self._judgements) - 1
