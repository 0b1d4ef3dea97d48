"""What other folders may use of the aggregator. Nothing else of it is imported from outside."""

from aggregator.ledger import Ledger, read_ledger
from aggregator.migrate import MigrationError, migrate
from aggregator.runner import run

__all__ = ["Ledger", "MigrationError", "migrate", "read_ledger", "run"]
