"""Rollups: clicks counted ahead by hour and day, computed from the rows and replaced whole.

Nobody else writes them. Whoever changes or deletes stored clicks calls `mark_dirty`.
"""

from ingest.contract import mark_dirty

__all__ = ["mark_dirty"]
