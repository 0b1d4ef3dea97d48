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
from aggregator.runner import run

__all__ = [
    "LETTERS_A_WISH",
    "Ledger",
    "MigrationError",
    "OpenLetter",
    "Origin",
    "Refusal",
    "ask_for_discard",
    "ask_for_replay",
    "find_letters",
    "list_dead_letters",
    "migrate",
    "parse_origin",
    "read_ledger",
    "run",
]
