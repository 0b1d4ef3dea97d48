"""What a request would be answered and recorded as, by the edge's and ingest's own code, without a trace."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from edge.contract import decide, header_fields, platform_of
from ingest.columns import row_of
from ingest.decode import EVENT_VERSION, Method, decode
from ingest.edge_link import edge_link
from ingest.enrich.geo import Geo
from ingest.enrich.network import Networks
from ingest.enrich.privacy import WarehouseProfiles
from ingest.enrich.steps import Enrichment
from ingest.enrich.visitor import KEY_BYTES, VisitorIds, key_path
from ingest.link_events import LinkDocument
from ingest.warehouse import Warehouse

# An event's number in its spool; nothing depends on it here.
_SOURCE: Final = 1
_SEQ: Final = 1


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a link. `headers` are by lower-case name, `at_ms` is Unix time in ms.

    `code` is a recipient's personal one, "" for the link's own.
    """

    method: Method
    ip: str
    headers: Mapping[str, str]
    at_ms: int
    code: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What comes of a request.

    `outcome` is `redirected`, `gone` or `not_found`; `destination` is "" unless it is a redirect. `event` is
    the click event and `columns` its row in the warehouse by column, both None where no click is recorded.
    The row has no `visitor` where this machine doesn't have the visitor key.
    """

    verdict: str
    rule: str
    rules_version: int
    route: str
    outcome: str
    destination: str
    event: dict[str, Any] | None
    columns: dict[str, Any] | None


class Explainer:
    """Explains requests by the databases and the key that ingest uses, opened when asked. For any thread."""

    def __init__(self, *, data_dir: Path, geoip_path: str | None, warehouse: Warehouse) -> None:
        self._key_path = key_path(data_dir)
        self._databases = Path(geoip_path) if geoip_path else None
        self._profiles_of = WarehouseProfiles(warehouse, makes_salts=False)
        self._lock = threading.Lock()
        self._enrichment: Enrichment | None = None
        self._has_key = False

    def explain(self, link: LinkDocument, request: Request) -> Explanation:
        """Blocks for a second the first time, then for less than a millisecond. Nothing is written."""
        found = edge_link(link)
        platform = platform_of(
            request.headers.get("user-agent", ""), request.headers.get("sec-ch-ua-platform", "")
        )
        decision = None if found is None else decide(found, platform, b"", request.at_ms)
        event = {
            "v": EVENT_VERSION,
            "source": _SOURCE,
            "seq": _SEQ,
            "ts": request.at_ms,
            "code": request.code or link.code,
            "link": link.number,
            "tenant": link.tenant,
            "personal": request.code not in {"", link.code},
            "method": request.method,
            "route": "default" if decision is None else decision.route,
            "outcome": "redirected" if decision is None else decision.outcome,
            "ip": request.ip,
            **orjson.loads(b"{%b}" % header_fields(link.domain, request.headers)),
        }
        columns = self._columns(event)
        return Explanation(
            verdict=columns["verdict"],
            rule=columns["rule"],
            rules_version=columns["rules_version"],
            route=event["route"],
            outcome="not_found" if decision is None else decision.outcome,
            destination="" if decision is None else decision.destination.decode("ascii"),
            event=None if decision is None else event,
            columns=None if decision is None else columns,
        )

    def _columns(self, event: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            enrichment = self._open()
            filled = enrichment.columns([decode(orjson.dumps(event))], now_ms=event["ts"])
        columns = row_of(filled, 0)
        del columns["ingested_at"]
        if not self._has_key:
            del columns["visitor"]
        return columns

    def _open(self) -> Enrichment:
        """Made anew as long as there is no visitor key: ingest makes that at its first start."""
        if self._enrichment is None or not self._has_key:
            key = self._key_path.read_bytes() if self._key_path.exists() else b""
            self._has_key = len(key) == KEY_BYTES
            self._enrichment = Enrichment(
                geo=Geo(self._databases),
                networks=Networks(self._databases),
                visitor_ids=VisitorIds(key if self._has_key else bytes(KEY_BYTES)),
                profiles_of=self._profiles_of,
            )
        return self._enrichment
