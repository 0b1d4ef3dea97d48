"""The stored side of the ledger: whether the rows, the rollup and the count by source agree."""

from dataclasses import dataclass
from typing import Final

from ingest.contract import Warehouse

_SQL: Final = """
SELECT
    (SELECT count() FROM clicks) AS rows,
    (SELECT sum(clicks) FROM clicks_15m) AS in_rollup,
    (SELECT sum(clicks) FROM click_sources) AS stored,
    (SELECT count() FROM removed_clicks FINAL) AS removed
"""


@dataclass(frozen=True, slots=True)
class Balance:
    """Clicks counted in four places.

    `stored` is every click ever inserted, by the count of its source; `removed` those that were erased or
    have expired since; `rows` and `in_rollup` are what is there now.
    """

    rows: int
    in_rollup: int
    stored: int
    removed: int

    @property
    def is_balanced(self) -> bool:
        return self.rows == self.in_rollup == self.stored - self.removed


def balance(warehouse: Warehouse) -> Balance:
    """Count. While a batch or an erasure is under way the sides may differ by its clicks: look again."""
    ((rows, in_rollup, stored, removed),) = warehouse.query(_SQL)
    return Balance(int(rows), int(in_rollup), int(stored), int(removed))
