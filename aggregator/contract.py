"""What other folders may use of the aggregator. Nothing else of it is imported from outside."""

from aggregator.migrate import MigrationError, migrate

__all__ = ["MigrationError", "migrate"]
