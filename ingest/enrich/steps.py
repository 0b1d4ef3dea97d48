"""The steps that make rows of clicks, named and in order. Each fills columns of its own for a whole batch.

Working by columns and by batch is what the warehouse wants, and lets a step be timed at no cost a click.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path
from typing import Final

import numpy as np
import orjson

from ingest.clicks import Clicks
from ingest.columns import CodedColumn, Column
from ingest.decode import Click, Headers
from ingest.enrich.geo import Geo
from ingest.enrich.known_facts import Numbered, TextNumbers
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
ADDRESSES_KNOWN: Final = 65_536

_CARRIED: Final = (
    *("link", "ts", "personal", "source", "seq"),
    *("tenant", "domain", "method", "route", "outcome", "code"),
)
_HEADERS: Final = ("user_agent", "referer", "language", "channel")
# Numbers among what databases know of an address: degrees, and numbers of networks.
_DTYPES: Final = {float: np.float32, int: np.uint32}


@dataclass(frozen=True, slots=True)
class Batch:
    """The clicks of a batch, how much is kept of their addresses, and the columns that earlier steps made."""

    clicks: Clicks
    addresses: Numbered
    profiles: Profiles
    filled: dict[str, Column] = field(default_factory=dict)

    def coded(self, name: str) -> CodedColumn:
        """A column that an earlier step made."""
        column = self.filled[name]
        assert isinstance(column, CodedColumn)
        return column


@dataclass(frozen=True, slots=True)
class Step:
    """`fill` makes each of `columns`, as long as the clicks are. No click makes it raise."""

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
        self._addresses = TextNumbers(ADDRESSES_KNOWN)
        self._geo = geo
        self._networks = networks or Networks(None)
        self._judge = Judge()
        self._visitor_ids = visitor_ids
        self._profiles_of = profiles_of
        self._clicks = 0
        self.steps: tuple[Step, ...] = (
            Step("carry", (*_CARRIED, *_HEADERS, "signals"), _carry),
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
        columns = Clicks.of(clicks)
        stored_at = np.full(len(clicks), now_ms, np.int64)
        batch = Batch(
            columns, self._addresses.of(columns.ip), self._profiles_of(columns), {"ingested_at": stored_at}
        )
        for step in self.steps:
            began_s = time.perf_counter()
            batch.filled.update(zip(step.columns, step.fill(batch), strict=True))
            if timed is not None:
                timed(step.name, time.perf_counter() - began_s)
        self._clicks += len(clicks)
        return {name: batch.filled[name] for name in CLICK_COLUMNS}

    def cache_uses(self) -> Mapping[str, tuple[int, int]]:
        """By step, how many clicks so far had what was known already, and how many did not.

        Any thread may ask.
        """
        misses = {
            "user_agent": self._agent_of.cache_info().misses,
            "geo": self._geo.misses,
            "network": self._networks.misses,
            "verdict": self._judge.misses,
        }
        return {name: (max(0, self._clicks - missed), missed) for name, missed in misses.items()}

    def _parse_user_agents(self, batch: Batch) -> Iterable[Column]:
        agents = map(self._agent_of, batch.coded("user_agent").values, batch.coded("signals").values)
        return _columns_of(CodedColumn(list(agents), batch.clicks.headers.codes))

    def _locate(self, batch: Batch) -> Iterable[Column]:
        self._geo.refresh()
        return _columns_of(self._geo.locate_all(batch.addresses))

    def _find_networks(self, batch: Batch) -> Iterable[Column]:
        self._networks.refresh()
        return _columns_of(self._networks.find_all(batch.addresses))

    def _judge_clicks(self, batch: Batch) -> Iterable[Column]:
        """Clicks with the same headers, method and kind of network are judged once."""
        methods, kinds = batch.coded("method").distinct(), batch.coded("network_kind").distinct()
        all_headers = batch.clicks.headers
        inputs = (all_headers.codes * len(methods.values) + methods.codes) * len(kinds.values) + kinds.codes
        _, rows, codes = np.unique(inputs, return_index=True, return_inverse=True)
        judgements = []
        for row in rows:
            headers: Headers = all_headers[row]
            judgements.append(
                self._judge.of_stored(
                    *(methods[row], headers.user_agent, batch.filled["signals"][row], headers.language),
                    *(kinds[row], headers.channel),
                )
            )
        versions = np.full(len(batch.clicks), RULES_VERSION, np.uint16)
        return (*_columns_of(CodedColumn(judgements, codes)), versions)

    def _tell_visitors(self, batch: Batch) -> Iterable[Column]:
        yield self._visitor_ids.of_all(batch.clicks, batch.profiles)

    def _cut_addresses(self, batch: Batch) -> Iterable[Column]:
        clicks, profiles = batch.clicks, batch.profiles
        if not profiles.address:
            yield clicks.ip
            return
        yield [
            address
            if (profile := profiles.of(tenant)) == "whole"
            else kept_address(address, profile, self._visitor_ids.day_key(ts_ms, profiles))
            for address, tenant, ts_ms in zip(clicks.ip, clicks.tenant, clicks.ts_ms.tolist(), strict=True)
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
    clicks = batch.clicks
    yield from (clicks.link.astype(np.uint64), clicks.ts_ms, clicks.personal)
    yield np.array(clicks.source.values, np.uint64)[clicks.source.codes]
    yield clicks.seq.astype(np.uint64)
    yield from (clicks.tenant, clicks.host, clicks.method, clicks.route, clicks.outcome, clicks.code)
    headers, codes = clicks.headers.values, clicks.headers.codes
    for name in _HEADERS:
        yield CodedColumn(list(map(attrgetter(name), headers)), codes)
    yield CodedColumn([orjson.dumps(of_one.signals).decode() for of_one in headers], codes)


def _parse_agent(parse: UserAgents, user_agent: str, signals: str) -> Agent:
    """`signals` as JSON."""
    return apply_hints(parse(user_agent), orjson.loads(signals))


def _name_referrers(batch: Batch) -> Iterable[Column]:
    referers = batch.coded("referer")
    yield CodedColumn(list(map(referrer_of, referers.values)), referers.codes)


def _columns_of(rows: CodedColumn) -> Iterator[Column]:
    """The columns of a column of tuples of equal length. Those of numbers are arrays."""
    for values in zip(*rows.values, strict=True):
        dtype = _DTYPES.get(type(values[0]))
        yield CodedColumn(values, rows.codes) if dtype is None else np.array(values, dtype)[rows.codes]
