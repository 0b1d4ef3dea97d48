"""What may go wrong with the bus and pass again."""


class BusUnavailableError(Exception):
    """Kafka can't be reached or is not ready. Nothing is known of what was asked; try again."""
