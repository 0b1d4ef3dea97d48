"""Counts what apps report: as clicks in a spool of the api's own, which ingest reads like any other.

The same person's click is not counted twice: where a redirect or another report of the same code was stored
within `SAME_CLICK_MS`, the report is answered with that click. Whose it is, a personal code says by itself;
for any other the address must be the same. A redirect takes a moment to the warehouse, so a report is held
for one before it is counted; the aggregator removes what was counted when a redirect took longer.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from aggregator.contract import SAME_CLICK_MS
from api.app_clicks.report import UNKNOWN, AppClick, Outcome, seen_already
from api.domains import Domains
from api.events import Clock
from api.urls import points_to
from edge.contract import EdgeLink, LinkStore, SpoolWriter, decide, frame, platform_of
from ingest.contract import LinkDocument, Warehouse, edge_link, read_tenants

Person = tuple[int, str, str]
"""The link's number, the code, and the address where the code alone does not tell."""

HELD_S: Final = 1.0
"""What a redirect takes to the warehouse where nothing is behind."""
ON_ITS_WAY_MS: Final = 60 * 1000
"""To the warehouse: for so long a report that was counted here is remembered here."""
_DAY_MS: Final = 24 * 3600 * 1000


class AppClicks:
    """The reported clicks of all tenants. Owns its spool, which is opened with the first click."""

    def __init__(
        self,
        *,
        spool_dir: Path,
        retention_days: int,
        domains: Domains,
        link_store: LinkStore,
        warehouse: Warehouse,
        clock: Clock,
    ) -> None:
        self._spool_dir = spool_dir
        self._retention_days = retention_days
        self._domains = domains
        self._link_store = link_store
        self._warehouse = warehouse
        self._clock = clock
        self._spool: SpoolWriter | None = None
        self._syncing = asyncio.Lock()
        # Time and transaction id of those counted here.
        self._lately: dict[Person | None, tuple[int, str]] = {}

    async def count(self, tenant: str, reports: Sequence[AppClick]) -> list[Outcome]:
        """What became of each, in order, after `HELD_S`. Those that are counted are on the disk by then.

        Raises `LinkStoreUnavailableError`, `WarehouseUnavailableError`, and `OSError` where the disk is full.
        """
        links = [await self._find(tenant, report) for report in reports]
        known = [(report, link) for report, link in zip(reports, links, strict=True) if link is not None]
        if known:
            await hold()
        young, seen = await asyncio.to_thread(self._look_up, tenant, known) if known else (set(), {})
        self._forget_old()
        outcomes: list[Outcome] = []
        events: list[bytes] = []
        counted: dict[Person | None, tuple[int, str]] = {}
        for report, link in zip(reports, links, strict=True):
            if link is None or (report.code != link.code and (link.number, report.code) not in young):
                outcomes.append(UNKNOWN)
                continue
            person = _person(report, link)
            already = seen.get(person) or self._lately.get(person, (0, ""))[1]
            if already:
                outcomes.append(seen_already(already))
                continue
            transaction_id, event = self._event(tenant, report, link)
            events.append(event)
            outcomes.append(Outcome(200, None, transaction_id))
            if person is not None:
                seen[person] = transaction_id
                counted[person] = self._clock(), transaction_id
        if events:
            self._own_spool().append(b"".join(events))
            self._lately |= counted
            async with self._syncing:
                await asyncio.to_thread(self._own_spool().sync)
        return outcomes

    def close(self) -> None:
        """Let ingest know that no more comes from here."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def _forget_old(self) -> None:
        oldest = self._clock() - ON_ITS_WAY_MS
        while self._lately and next(iter(self._lately.values()))[0] < oldest:
            del self._lately[next(iter(self._lately))]

    def _own_spool(self) -> SpoolWriter:
        if self._spool is None:
            self._spool_dir.mkdir(parents=True, exist_ok=True)
            self._spool = SpoolWriter(self._spool_dir)
        return self._spool

    async def _find(self, tenant: str, report: AppClick) -> LinkDocument | None:
        """The tenant's link behind a short URL, as the edge would find it."""
        url = f"https://{report.host}/"
        open_ones = await self._domains.list_open(tenant)
        domain = next((one.host for one in open_ones if points_to(url, one.host)), None)
        if domain is None:
            return None
        number = await self._link_store.resolve(await self._link_store.domain_tag(domain), report.code)
        document = (await self._link_store.fields(number)).get(b"document") if number is not None else None
        link = None if document is None else LinkDocument.from_json(document)
        if link is None or link.tenant != tenant or not link.enabled or link.suffix != report.suffix:
            return None
        return link

    def _look_up(
        self, tenant: str, known: Sequence[tuple[AppClick, LinkDocument]]
    ) -> tuple[set[tuple[int, str]], dict[Person | None, str]]:
        """Which personal codes are not older than clicks are kept, and the latest click of each person."""
        now_ms = self._clock()
        document = read_tenants(self._warehouse).get(tenant)
        days = (document and document.retention_days) or self._retention_days
        parameters = {
            "tenant": tenant,
            "links": sorted({link.number for _, link in known}),
            "codes": sorted({report.code for report, _ in known}),
            "oldest": now_ms - days * _DAY_MS,
            "since": now_ms - SAME_CLICK_MS,
        }
        young = {(int(link), str(code)) for link, code in self._warehouse.query(_YOUNG, parameters)}
        own_codes = {(link.number, link.code) for _, link in known}
        seen: dict[Person | None, str] = {}
        for link, code, ip, source, seq in self._warehouse.query(_SEEN, parameters):
            person = (int(link), str(code), str(ip) if (link, code) in own_codes else "")
            if person[2] or (link, code) not in own_codes:
                seen[person] = _transaction_id(source, seq)
        return young, seen

    def _event(self, tenant: str, report: AppClick, link: LinkDocument) -> tuple[str, bytes]:
        """The click's transaction id and its frame; a click event of `channel` app."""
        spool, now_ms = self._own_spool(), self._clock()
        seq = spool.take_seq()
        edge: EdgeLink | None = edge_link(link)
        decision = decide(edge, platform_of(report.user_agent, ""), b"", now_ms) if edge is not None else None
        event = {
            "v": 1,
            "source": spool.source,
            "seq": seq,
            "ts": now_ms,
            "host": link.domain,
            "code": report.code,
            "link": link.number,
            "tenant": tenant,
            "personal": report.code != link.code,
            "method": "GET",
            "route": decision.route if decision is not None else "default",
            "outcome": "redirected",
            "ip": report.ip,
            "ua": report.user_agent,
            "referer": "",
            "language": "",
            "signals": {},
            "channel": "app",
        }
        return _transaction_id(spool.source, seq), frame(orjson.dumps(event))


_YOUNG: Final = """
SELECT DISTINCT link, code FROM codes
WHERE tenant = {tenant:String} AND link IN {links:Array(UInt64)} AND code IN {codes:Array(String)}
    AND minted_at >= fromUnixTimestamp64Milli({oldest:Int64}, 'UTC')
"""

_SEEN: Final = """
SELECT link, code, ip, source, seq FROM clicks
WHERE tenant = {tenant:String} AND link IN {links:Array(UInt64)} AND code IN {codes:Array(String)}
    AND verdict = 'human' AND ts >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
ORDER BY ts, source, seq
"""


async def hold() -> None:
    """Let redirects of this moment reach the warehouse."""
    await asyncio.sleep(HELD_S)


def _person(report: AppClick, link: LinkDocument) -> Person | None:
    """Who clicked what, as far as that can be told: by the personal code, else by the address."""
    if report.code != link.code:
        return link.number, report.code, ""
    return (link.number, report.code, report.ip) if report.ip else None


def _transaction_id(source: int, seq: int) -> str:
    return f"{source:x}-{seq:x}"
