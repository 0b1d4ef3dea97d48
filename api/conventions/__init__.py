"""What holds for every call: request ids, headers, limits of time, idempotency."""
