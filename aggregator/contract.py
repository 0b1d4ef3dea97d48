"""What other folders may use of the aggregator. Nothing else of it is imported from outside."""

from aggregator.app_reports import SAME_CLICK_MS
from aggregator.dead_letters import (
    LETTERS_A_WISH,
    OpenLetter,
    Origin,
    Refusal,
    ask_for_discard,
    ask_for_replay,
    find_letters,
    list_dead_letters,
    parse_origin,
)
from aggregator.ledger import Ledger, read_ledger
from aggregator.migrate import MigrationError, migrate
from aggregator.outbound import Network, is_reachable, open_session
from aggregator.reclassify import (
    Change,
    Reclassification,
    list_reclassifications,
    read_reclassification,
    request_reclassification,
)
from aggregator.rollups import (
    DAY_S,
    DETAILED_FROM_CLICKS,
    DIMENSIONS,
    EXACT_UP_TO_CLICKS,
    GRAINS_S,
    HOUR_S,
    LOOK_BACK_DAYS,
    LOOK_BACK_S,
    MAX_KEYS,
    QUARTER_S,
    TOTAL,
    Dimension,
    mark_dirty,
    refresh,
)
from aggregator.runner import run
from aggregator.webhooks.cursors import read_clock_ms
from aggregator.webhooks.store import (
    Delivery,
    Standing,
    list_deliveries,
    read_delivery,
    read_webhooks,
    receipts_webhook,
    save_standings,
    save_webhook,
)
from aggregator.webhooks.store import State as DeliveryState
from aggregator.webhooks.webhook import OVERLAP_MS as SECRET_OVERLAP_MS
from aggregator.webhooks.webhook import RECEIPTS, WebhookDocument
from aggregator.webhooks.webhook import Event as WebhookEvent
from aggregator.webhooks.webhook import new_secret as new_webhook_secret

__all__ = [
    "DAY_S",
    "DETAILED_FROM_CLICKS",
    "DIMENSIONS",
    "EXACT_UP_TO_CLICKS",
    "GRAINS_S",
    "HOUR_S",
    "LETTERS_A_WISH",
    "LOOK_BACK_DAYS",
    "LOOK_BACK_S",
    "MAX_KEYS",
    "QUARTER_S",
    "RECEIPTS",
    "SAME_CLICK_MS",
    "SECRET_OVERLAP_MS",
    "TOTAL",
    "Change",
    "Delivery",
    "DeliveryState",
    "Dimension",
    "Ledger",
    "MigrationError",
    "Network",
    "OpenLetter",
    "Origin",
    "Reclassification",
    "Refusal",
    "Standing",
    "WebhookDocument",
    "WebhookEvent",
    "ask_for_discard",
    "ask_for_replay",
    "find_letters",
    "is_reachable",
    "list_dead_letters",
    "list_deliveries",
    "list_reclassifications",
    "mark_dirty",
    "migrate",
    "new_webhook_secret",
    "open_session",
    "parse_origin",
    "read_clock_ms",
    "read_delivery",
    "read_ledger",
    "read_reclassification",
    "read_webhooks",
    "receipts_webhook",
    "refresh",
    "request_reclassification",
    "run",
    "save_standings",
    "save_webhook",
]
