"""The steps that make rows of clicks, named and in order. Each fills columns of its own for a whole batch.

Working by columns and by batch is what the warehouse wants, and lets a step be timed at no cost a click.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any, Final

import orjson

from ingest.decode import Click
from ingest.enrich.geo import Geo
from ingest.enrich.network import Networks
from ingest.enrich.privacy import Profiles, ProfilesOf, WarehouseProfiles, keep_whole, kept_address
from ingest.enrich.referrer import referrer_of
from ingest.enrich.rules import RULES_VERSION
from ingest.enrich.user_agent import Agent, UserAgents, apply_hints
from ingest.enrich.verdict import Judge
from ingest.enrich.visitor import VisitorIds, key_path, load_key
from ingest.rows import CLICK_COLUMNS
from ingest.warehouse import Warehouse

USER_AGENT_CACHE_SIZE: Final = 16_384

Column = Sequence[Any]

# The columns that are a click's own fields, and those fields.
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
    "user_agent": "user_agent",
    "referer": "referer",
    "language": "language",
    "channel": "channel",
}
_CARRIED_FIELDS: Final = tuple(map(attrgetter, _CARRIED.values()))
_ip_of = attrgetter("ip")
_signals_of = attrgetter("signals")
# What a click is judged by, as `Judge.of_stored` takes it.
_JUDGED: Final = ("method", "user_agent", "signals", "language", "network_kind", "channel")


@dataclass(frozen=True, slots=True)
class Batch:
    """The clicks of a batch, how much is kept of their addresses, and the columns that earlier steps made."""

    clicks: Sequence[Click]
    profiles: Profiles
    filled: dict[str, Column] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """`fill` makes a list for each of `columns`, as long as the clicks are. No click makes it raise."""

    name: str
    columns: tuple[str, ...]
    fill: Callable[[Batch], Iterable[Column]]


class Enrichment:
    """All steps, with what they need: parsers, databases, the visitor key, and bounded caches.

    `columns` is for one thread at a time.
    """

    def __init__(
        self,
        *,
        geo: Geo,
        visitor_ids: VisitorIds,
        networks: Networks | None = None,
        profiles_of: ProfilesOf = keep_whole,
    ) -> None:
        self._agent_of = lru_cache(USER_AGENT_CACHE_SIZE)(partial(_parse_agent, UserAgents()))
        self._geo = geo
        self._networks = networks or Networks(None)
        self._judge = Judge()
        self._visitor_ids = visitor_ids
        self._profiles_of = profiles_of
        self.steps: Final = (
            Step("carry", (*_CARRIED, "signals"), _carry),
            Step(
                "user_agent",
                ("browser", "browser_version", "os", "os_version", "device_brand", "device", "platform"),
                self._parse_user_agents,
            ),
            Step("geo", ("country", "region", "city", "latitude", "longitude"), self._locate),
            Step("network", ("asn", "network", "network_kind"), self._find_networks),
            Step("verdict", ("verdict", "rule", "rules_version"), self._judge_clicks),
            Step("visitor", ("visitor",), self._tell_visitors),
            Step("referrer", ("referrer",), _name_referrers),
            # Last, when nobody needs the whole address any more.
            Step("privacy", ("ip",), self._cut_addresses),
        )

    def columns(
        self, clicks: Sequence[Click], *, now_ms: int, timed: Callable[[str, float], None] | None = None
    ) -> dict[str, Column]:
        """The columns of `ingest/rows.py` for these clicks (one at least), stored at `now_ms`.

        `timed` hears each step's name and seconds. Raises what asking for the tenants' profiles raises.
        """
        batch = Batch(clicks, self._profiles_of(clicks), {"ingested_at": [now_ms] * len(clicks)})
        for step in self.steps:
            began_s = time.perf_counter()
            batch.filled.update(zip(step.columns, step.fill(batch), strict=True))
            if timed is not None:
                timed(step.name, time.perf_counter() - began_s)
        return {name: batch.filled[name] for name in CLICK_COLUMNS}

    def cache_uses(self) -> Mapping[str, tuple[int, int]]:
        """Hits and misses of each cache so far, by its step's name. Any thread may ask."""
        return {
            "user_agent": self._agent_of.cache_info()[:2],
            "geo": self._geo.cache_use(),
            "network": self._networks.cache_use(),
            "verdict": self._judge.cache_use(),
        }

    def _parse_user_agents(self, batch: Batch) -> Iterable[Column]:
        agents = list(map(self._agent_of, batch.filled["user_agent"], batch.filled["signals"]))
        return _transposed(agents)

    def _locate(self, batch: Batch) -> Iterable[Column]:
        self._geo.refresh()
        return _transposed(self._geo.locate_all(map(_ip_of, batch.clicks)))

    def _find_networks(self, batch: Batch) -> Iterable[Column]:
        self._networks.refresh()
        return _transposed(self._networks.find_all(map(_ip_of, batch.clicks)))

    def _judge_clicks(self, batch: Batch) -> Iterable[Column]:
        facts = (batch.filled[name] for name in _JUDGED)
        judgements = list(map(self._judge.of_stored, *facts))
        return (*_transposed(judgements), [RULES_VERSION] * len(batch.clicks))

    def _tell_visitors(self, batch: Batch) -> Iterable[Column]:
        yield self._visitor_ids.of_all(batch.clicks, batch.profiles)

    def _cut_addresses(self, batch: Batch) -> Iterable[Column]:
        profiles = batch.profiles
        if not profiles.address:
            yield list(map(_ip_of, batch.clicks))
            return
        yield [
            click.ip
            if (profile := profiles.of(click.tenant)) == "whole"
            else kept_address(click.ip, profile, self._visitor_ids.day_key(click, profiles))
            for click in batch.clicks
        ]


def open_enrichment(*, data_dir: Path, geoip_path: str | None, warehouse: Warehouse) -> Enrichment:
    """The enrichment as the settings have it. Raises `VisitorKeyError`, `OSError`."""
    databases = Path(geoip_path) if geoip_path else None
    return Enrichment(
        geo=Geo(databases),
        networks=Networks(databases),
        visitor_ids=VisitorIds(load_key(key_path(data_dir))),
        profiles_of=WarehouseProfiles(warehouse),
    )


def _carry(batch: Batch) -> Iterable[Column]:
    """What is stored as it came; the signals as JSON."""
    for field_of in _CARRIED_FIELDS:
        yield list(map(field_of, batch.clicks))
    yield list(map(bytes.decode, map(orjson.dumps, map(_signals_of, batch.clicks))))


def _parse_agent(parse: UserAgents, user_agent: str, signals: str) -> Agent:
    """`signals` as JSON."""
    return apply_hints(parse(user_agent), orjson.loads(signals))


def _name_referrers(batch: Batch) -> Iterable[Column]:
    yield list(map(referrer_of, batch.filled["referer"]))


def _transposed(rows: Sequence[tuple[Any, ...]]) -> Iterator[Column]:
    """The columns of rows of equal length, of which there is one at least."""
    for at in range(len(rows[0])):
        yield list(map(itemgetter(at), rows))
