"""Finds changes of links that nobody was told of yet.

Every version of a link is noted with the moment it was stored, by the warehouse's clock, and no other clock
says what is news. A pass goes over all changes, page by page, from a little before the moment at which the
last one began, because a row may become visible later than it was stored; what was told already is told
apart by its id.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from aggregator.webhooks.audience import told_of_change
from aggregator.webhooks.bodies import LinkChange
from aggregator.webhooks.cursors import move_link_cursor, read_clock_ms, read_link_cursor
from aggregator.webhooks.store import add_deliveries
from aggregator.webhooks.webhook import LINK_EVENTS, WebhookDocument
from ingest.contract import Warehouse

OVERLAP_MS: Final = 10_000
CHANGES_A_PAGE: Final = 5_000

# The id of a deleted link is in one of its earlier versions.
_CHANGES: Final = """
SELECT changes.tenant, changes.number, version, if(changes.id = '', known.id, changes.id), name, domain,
    suffix, code, destination_url, campaign, external_id, toUnixTimestamp64Milli(updated_at), deleted,
    toUnixTimestamp64Milli(stored_at)
FROM (
    SELECT * FROM link_changes FINAL
    WHERE tenant IN {tenants:Array(String)} AND (stored_at, tenant, number, version) > (
        fromUnixTimestamp64Milli({stored_at:Int64}, 'UTC'), {tenant:String}, {number:UInt64}, {version:UInt64}
    )
    ORDER BY stored_at, tenant, number, version LIMIT {limit:UInt32}
) AS changes
LEFT JOIN (
    SELECT tenant, number, max(id) AS id FROM link_changes
    WHERE tenant IN {tenants:Array(String)}
        AND number IN (
            SELECT number FROM link_changes
            WHERE deleted AND stored_at >= fromUnixTimestamp64Milli({stored_at:Int64}, 'UTC')
        )
    GROUP BY tenant, number
) AS known ON known.tenant = changes.tenant AND known.number = changes.number
ORDER BY stored_at, changes.tenant, changes.number, version
"""


@dataclass(frozen=True, slots=True)
class _Position:
    """A change's place in the order of a pass. One without a tenant comes before all of its millisecond."""

    stored_at: int
    tenant: str = ""
    number: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class _Pass:
    """Began at `began_ms` of the warehouse's clock, and has told of all that lies up to `position`."""

    began_ms: int
    position: _Position


class LinkFeed:
    """One life of the feed, for one thread at a time. A pass that it doesn't end the next begins anew."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._since_ms: int | None = None
        self._kept_ms = 0
        self._pass: _Pass | None = None

    def feed(self, webhooks: Sequence[WebhookDocument], now_ms: int) -> int:
        """Make deliveries, as of `now_ms`, of a page of changes; how many. Blocks.

        `skip_link_changes` was called before, by this life or one before it.
        """
        under_way = self._pass or self._begin()
        listeners = [hook for hook in webhooks if hook.is_enabled and LINK_EVENTS.intersection(hook.events)]
        changes = self._read_page(under_way.position, listeners) if listeners else []
        deliveries = [
            delivery
            for change in changes
            for hook in listeners
            # A webhook is told of what came after it was made.
            if hook.tenant == change.tenant and change.stored_at_ms >= hook.created_at_ms
            for delivery in told_of_change(change, hook, now_ms)
        ]
        added = add_deliveries(self._warehouse, deliveries) if deliveries else 0
        if len(changes) == CHANGES_A_PAGE:
            last = changes[-1]
            position = _Position(last.stored_at_ms, last.tenant, last.number, last.version)
            self._pass = replace(under_way, position=position)
        else:
            self._end(under_way)
        return added

    def _begin(self) -> _Pass:
        began_ms = read_clock_ms(self._warehouse)
        if self._since_ms is None:
            self._kept_ms = read_link_cursor(self._warehouse) or 0
            self._since_ms = self._kept_ms
        # Where the warehouse's clock was set back, or an aggregator of before had looked at its own.
        if self._since_ms > began_ms:
            self._since_ms = began_ms - OVERLAP_MS
        return _Pass(began_ms, _Position(self._since_ms))

    def _end(self, ended: _Pass) -> None:
        self._pass = None
        self._since_ms = max(self._since_ms or 0, ended.began_ms - OVERLAP_MS)
        if self._since_ms - self._kept_ms > OVERLAP_MS:
            move_link_cursor(self._warehouse, self._since_ms)
            self._kept_ms = self._since_ms

    def _read_page(self, after: _Position, listeners: Sequence[WebhookDocument]) -> list[LinkChange]:
        parameters = {
            "tenants": sorted({hook.tenant for hook in listeners}),
            "stored_at": after.stored_at,
            "tenant": after.tenant,
            "number": after.number,
            "version": after.version,
            "limit": CHANGES_A_PAGE,
        }
        return [LinkChange(*row) for row in self._warehouse.query(_CHANGES, parameters)]


def skip_link_changes(warehouse: Warehouse) -> None:
    """Leave out all that was stored by now."""
    move_link_cursor(warehouse, read_clock_ms(warehouse))
