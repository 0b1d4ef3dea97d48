"""The steps that make rows of clicks, named and in order. Each fills columns of its own for a whole batch.

Working by columns and by batch is what the warehouse wants, and lets a step be timed at no cost a click.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import orjson

from ingest.decode import Click
from ingest.enrich.geo import Geo
from ingest.enrich.referrer import referrer_of
from ingest.enrich.rules import RULES_VERSION
from ingest.enrich.user_agent import UserAgents, apply_hints
from ingest.enrich.verdict import Judge
from ingest.enrich.visitor import VisitorIds, key_path, load_key
from ingest.rows import CLICK_COLUMNS

USER_AGENT_CACHE_SIZE: Final = 16_384

Column = Sequence[Any]

# The columns that are a click's own fields, by name of the field.
_CARRIED: Final = {
    "tenant": "tenant",
    "link": "link",
    "ts": "ts_ms",
    "code": "code",
    "domain": "host",
    "personal": "personal",
    "source": "source",
    "seq": "seq",
    "method": "method",
    "route": "route",
    "outcome": "outcome",
    "ip": "ip",
    "user_agent": "user_agent",
    "referer": "referer",
    "language": "language",
}
_carried_fields = attrgetter(*_CARRIED.values())


@dataclass(frozen=True, slots=True)
class Step:
    """`fill` makes a list for each of `columns`, as long as the clicks are. No click makes it raise."""

    name: str
    columns: tuple[str, ...]
    fill: Callable[[Sequence[Click]], Iterable[Column]]


class Enrichment:
    """All steps, with what they need: parsers, databases, the visitor key, and bounded caches.

    `columns` is for one thread at a time.
    """

    def __init__(self, *, geo: Geo, visitor_ids: VisitorIds) -> None:
        self._agents = lru_cache(USER_AGENT_CACHE_SIZE)(UserAgents())
        self._geo = geo
        self._judge = Judge()
        self._visitor_ids = visitor_ids
        self.steps: Final = (
            Step("carry", (*_CARRIED, "signals"), _carry),
            Step(
                "user_agent",
                ("browser", "browser_version", "os", "os_version", "device_brand", "device", "platform"),
                self._parse_user_agents,
            ),
            Step("geo", ("country", "region", "city", "latitude", "longitude"), self._locate),
            Step("verdict", ("verdict", "rule", "rules_version"), self._judge_clicks),
            Step("visitor", ("visitor",), self._tell_visitors),
            Step("referrer", ("referrer",), _name_referrers),
        )

    def columns(
        self, clicks: Sequence[Click], *, now_ms: int, timed: Callable[[str, float], None] | None = None
    ) -> dict[str, Column]:
        """The columns of `ingest/rows.py` for these clicks (one at least), stored at `now_ms`.

        `timed` hears each step's name and seconds.
        """
        filled: dict[str, Column] = {"ingested_at": [now_ms] * len(clicks)}
        for step in self.steps:
            began_s = time.perf_counter()
            filled.update(zip(step.columns, step.fill(clicks), strict=True))
            if timed is not None:
                timed(step.name, time.perf_counter() - began_s)
        return {name: filled[name] for name in CLICK_COLUMNS}

    def cache_uses(self) -> Mapping[str, tuple[int, int]]:
        """Hits and misses of each cache so far, by its step's name. Any thread may ask."""
        return {
            "user_agent": self._agents.cache_info()[:2],
            "geo": self._geo.cache_use(),
            "verdict": self._judge.cache_use(),
        }

    def _parse_user_agents(self, clicks: Sequence[Click]) -> Iterable[Column]:
        parse = self._agents
        agents = (
            apply_hints(parse(click.user_agent), click.signals) if click.signals else parse(click.user_agent)
            for click in clicks
        )
        return zip(*agents, strict=True)

    def _locate(self, clicks: Sequence[Click]) -> Iterable[Column]:
        self._geo.refresh()
        return zip(*(self._geo.locate(click.ip) for click in clicks), strict=True)

    def _judge_clicks(self, clicks: Sequence[Click]) -> Iterable[Column]:
        judged = (self._judge(click.method, click.user_agent, click.signals) for click in clicks)
        return (*zip(*judged, strict=True), [RULES_VERSION] * len(clicks))

    def _tell_visitors(self, clicks: Sequence[Click]) -> Iterable[Column]:
        yield [self._visitor_ids(click) for click in clicks]


def open_enrichment(*, data_dir: Path, geoip_path: str | None) -> Enrichment:
    """The enrichment as the settings have it. Raises `VisitorKeyError`, `OSError`."""
    return Enrichment(
        geo=Geo(Path(geoip_path) if geoip_path else None),
        visitor_ids=VisitorIds(load_key(key_path(data_dir))),
    )


def _carry(clicks: Sequence[Click]) -> Iterable[Column]:
    """What is stored as it came; the signals as JSON."""
    signals = [orjson.dumps(click.signals).decode() if click.signals else "{}" for click in clicks]
    return (*zip(*map(_carried_fields, clicks), strict=True), signals)


def _name_referrers(clicks: Sequence[Click]) -> Iterable[Column]:
    yield [referrer_of(click.referer) for click in clicks]
