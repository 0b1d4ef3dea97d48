"""The insert of one batch of clicks, tried until the rows are there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ingest.columns import Column
from ingest.warehouse import Warehouse, WarehouseUnavailableError

# The whole primary key, so that it costs one look. An erased click is told of where it went.
_STORED: Final = """
SELECT
    (
        SELECT count() FROM clicks
        WHERE tenant = {tenant:String} AND link = {link:UInt64}
            AND ts = fromUnixTimestamp64Milli({ts:Int64}, 'UTC')
            AND source = {source:UInt64} AND seq = {seq:UInt64}
    ),
    (SELECT count() FROM removed_clicks WHERE source = {source:UInt64} AND seq = {seq:UInt64}),
    (SELECT max(last_seq) FROM click_sources WHERE source = {source:UInt64})
SETTINGS select_sequential_consistency = 1
"""


@dataclass(slots=True)
class ClickInsert:
    """Columns of clicks, of which an earlier try may have been stored: `may_be_there`."""

    warehouse: Warehouse
    columns: Mapping[str, Column]
    token: str
    may_be_there: bool

    def run(self) -> None:
        """Insert them. Blocks; raises what the warehouse raises.

        An engine that died at the wrong moment, or could not rename the part that it had written, takes
        rows for stored that are not (`ingest/deduplication_logs.py`). Then this raises
        `WarehouseUnavailableError`, so that nothing is committed until they are.
        """
        may_be_there, self.may_be_there = self.may_be_there, True
        self.warehouse.insert("clicks", self.columns, token=self.token)
        if may_be_there and not self._is_stored():
            raise WarehouseUnavailableError(
                f"it noted the insert {self.token} and did not store it: end the warehouse's process, run"
                " `python -m ingest.deduplication_logs <its data folder>`, and start it again"
            )

    def _is_stored(self) -> bool:
        """Whether the last row is: a block is stored as a whole or not at all."""
        numbers = {name: int(self.columns[name][-1]) for name in ("link", "ts", "source", "seq")}
        ((rows, removed, last_seq),) = self.warehouse.query(
            _STORED, {"tenant": str(self.columns["tenant"][-1]), **numbers}
        )
        return bool(rows or removed) and int(last_seq) >= numbers["seq"]
