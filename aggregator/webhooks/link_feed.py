"""Finds changes of links that nobody was told of yet.

Every version of a link is noted with the moment it was stored. A look begins a little before the last one
ended, because a row may become visible later than that; what was told already is told apart by its id.
"""

from collections.abc import Sequence
from typing import Final

from aggregator.webhooks.audience import told_of_change
from aggregator.webhooks.bodies import LinkChange
from aggregator.webhooks.store import add_deliveries
from aggregator.webhooks.webhook import LINK_EVENTS, WebhookDocument
from ingest.contract import Warehouse

OVERLAP_MS: Final = 10_000
CHANGES_A_ROUND: Final = 5_000

# The id of a deleted link is in one of its earlier versions.
_CHANGES: Final = f"""
SELECT changes.tenant, changes.number, version, if(changes.id = '', known.id, changes.id), name, domain,
    suffix, code, destination_url, campaign, external_id, toUnixTimestamp64Milli(updated_at), deleted,
    toUnixTimestamp64Milli(stored_at)
FROM (
    SELECT * FROM link_changes FINAL
    WHERE tenant IN {{tenants:Array(String)}}
        AND stored_at >= fromUnixTimestamp64Milli({{since:Int64}}, 'UTC')
    ORDER BY stored_at, tenant, number, version LIMIT {CHANGES_A_ROUND}
) AS changes
LEFT JOIN (
    SELECT tenant, number, max(id) AS id FROM link_changes
    WHERE tenant IN {{tenants:Array(String)}}
        AND number IN (
            SELECT number FROM link_changes
            WHERE deleted AND stored_at >= fromUnixTimestamp64Milli({{since:Int64}}, 'UTC')
        )
    GROUP BY tenant, number
) AS known ON known.tenant = changes.tenant AND known.number = changes.number
ORDER BY stored_at
"""  # noqa: S608 - our own number


def feed_link_changes(
    warehouse: Warehouse, webhooks: Sequence[WebhookDocument], since_ms: int, now_ms: int
) -> tuple[int, int]:
    """Make deliveries of the changes stored since; how many, and since when to look next. Blocks."""
    listeners = [hook for hook in webhooks if hook.is_enabled and LINK_EVENTS.intersection(hook.events)]
    if not listeners:
        return 0, now_ms - OVERLAP_MS
    rows = warehouse.query(
        _CHANGES, {"tenants": sorted({hook.tenant for hook in listeners}), "since": since_ms}
    )
    changes = [LinkChange(*row) for row in rows]
    deliveries = [
        delivery
        for change in changes
        for hook in listeners
        # A webhook is told of what came after it was made.
        if hook.tenant == change.tenant and change.stored_at_ms >= hook.created_at_ms
        for delivery in told_of_change(change, hook, now_ms)
    ]
    added = add_deliveries(warehouse, deliveries) if deliveries else 0
    if len(changes) == CHANGES_A_ROUND:
        return added, changes[-1].stored_at_ms
    return added, now_ms - OVERLAP_MS
