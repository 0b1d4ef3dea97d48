"""Tells others what happened: CLICKED receipts, clicks, changes of links; signed and retried."""
