"""What other folders may use of the aggregator. Nothing else of it is imported from outside."""

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
from aggregator.runner import run

__all__ = [
    "LETTERS_A_WISH",
    "Change",
    "Ledger",
    "MigrationError",
    "Network",
    "OpenLetter",
    "Origin",
    "Reclassification",
    "Refusal",
    "ask_for_discard",
    "ask_for_replay",
    "find_letters",
    "is_reachable",
    "list_dead_letters",
    "list_reclassifications",
    "migrate",
    "open_session",
    "parse_origin",
    "read_ledger",
    "read_reclassification",
    "request_reclassification",
    "run",
]
