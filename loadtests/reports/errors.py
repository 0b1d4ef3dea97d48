"""How far uniques in reports are off: of everything and of every key, beside `uniqExact` over the rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from aggregator.contract import DIMENSIONS, Dimension
from api.reports.contract import Scope, StatsQuery, stats
from ingest.contract import Warehouse
from loadtests.reports.clicks import TENANT


@dataclass(frozen=True, slots=True)
class Errors:
    """Of the keys of one dimension, as shares of each key's visitors; none has less than `fewest`."""

    dimension: str
    errors: Sequence[float]
    fewest: int

    def __str__(self) -> str:
        median, nearly_all = np.quantile(self.errors, [0.5, 0.95])
        return (
            f"{self.dimension}: {len(self.errors):,} keys of {self.fewest:,} visitors and more, off by"
            f" {median:.2%} in the middle, {nearly_all:.2%} at the 95th of 100, {max(self.errors):.2%} most"
        )


def measure_errors(
    warehouse: Warehouse, scope: Scope, start: datetime, end: datetime, by: Sequence[Dimension] = DIMENSIONS
) -> Iterator[Errors]:
    """One dimension after the other; last, all keys together. Blocks: it counts every click for each."""
    report = stats(warehouse, StatsQuery(scope, start, end, "day", ZoneInfo("UTC"), tuple(by)))
    all_errors: list[float] = []
    fewest = []
    for dimension in by:
        told = {share["key"]: share["unique"] for share in report["breakdowns"][dimension]}
        exact = _count(warehouse, scope, start, end, dimension)
        errors = [abs(told.get(key, 0) - count) / count for key, count in exact.items()]
        fewest.append(min(exact.values()))
        all_errors += errors
        yield Errors(dimension, errors, fewest[-1])
    yield Errors("every key", all_errors, min(fewest))


def _count(
    warehouse: Warehouse, scope: Scope, start: datetime, end: datetime, dimension: Dimension
) -> dict[str, int]:
    """Visitors by key, of those who have any."""
    rows = warehouse.query(
        f"SELECT toString({dimension}) AS key, uniqExact(visitor) FROM clicks"  # noqa: S608 - one of our columns
        " WHERE tenant = {tenant:String} AND ({every_link:Bool} OR link IN {links:Array(UInt64)})"
        " AND verdict = 'human' AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')"
        " AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC') GROUP BY key",
        {
            "tenant": TENANT,
            "every_link": scope.links is None,
            "links": list(scope.links or ()),
            "start": round(start.timestamp() * 1000),
            "end": round(end.timestamp() * 1000),
        },
    )
    return {str(key): int(count) for key, count in rows}
