"""Judging stored clicks again: by today's rules when asked to, by their timing some minutes after each.

A reclassification goes month by month, because the engine changes columns of one month at a time:

1. What the rules look at is grouped; each group that today's rules judge otherwise is noted (`judging.py`).
2. Day by day, the clicks of those groups, and those whose timing gives them away (`timing.py`), are noted
   with their judgement before and after. That is the difference, and a dry run ends here.
3. One mutation a million clicks changes verdict and rule where they stand; reports are told (`changing.py`).

A mutation replaces parts one by one, each at once, and never the number of rows: a report counts every click
once, by its old verdict or its new one. Every step may be done again, so whoever dies is followed by one who
begins at the month in hand.
"""

from aggregator.reclassify.documents import (
    Change,
    Reclassification,
    list_reclassifications,
    read_reclassification,
    request_reclassification,
)
from aggregator.reclassify.worker import ReclassificationWorker, reclassify

__all__ = [
    "Change",
    "Reclassification",
    "ReclassificationWorker",
    "list_reclassifications",
    "read_reclassification",
    "reclassify",
    "request_reclassification",
]
