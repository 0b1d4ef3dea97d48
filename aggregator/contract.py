"""What other folders may use of the aggregator. Nothing else of it is imported from outside."""

from aggregator.ledger import Balance, balance
from aggregator.migrate import MigrationError, migrate
from aggregator.runner import run

__all__ = ["Balance", "MigrationError", "balance", "migrate", "run"]
