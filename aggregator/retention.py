"""Deletes clicks once they are older than their tenant wants them kept.

Days are those of UTC, which has no summer time: a click is kept whole days, whatever the clocks of the
machine or of the tenant do.

Rows are deleted, never dropped by the partition: with a partition the engine forgets the tokens of its
inserts, and a batch that is repeated after that would bring its rows back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ingest.contract import TenantDocument, Warehouse, remove_clicks

# One delete rewrites the mask of every part that it touches; a month's parts are touched by few of them.
_MONTHS: Final = "SELECT DISTINCT toYYYYMM(ts) AS month FROM clicks WHERE {older} ORDER BY month"
_CUTOFF: Final = "fromUnixTimestamp64Milli({cutoff:Int64}, 'UTC')"


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Clicks before `cutoff_ms` (Unix ms) expire: of `tenants` or, where `others`, of all but those."""

    cutoff_ms: int
    tenants: tuple[str, ...]
    others: bool = False


def cutoffs(tenants: Mapping[str, TenantDocument], default_days: int, now: datetime) -> Iterator[Cutoff]:
    """One for all that keep the default, and one for each other number of days. Pure."""
    by_days: dict[int, list[str]] = {}
    for tenant in tenants.values():
        if tenant.retention_days is not None and tenant.retention_days != default_days:
            by_days.setdefault(tenant.retention_days, []).append(tenant.id)
    exceptions = [tenant for group in by_days.values() for tenant in group]
    yield Cutoff(_midnight_ms(now, default_days), tuple(sorted(exceptions)), others=True)
    for days, group in sorted(by_days.items()):
        yield Cutoff(_midnight_ms(now, days), tuple(sorted(group)))


def expire_clicks(warehouse: Warehouse, wanted: Sequence[Cutoff]) -> int:
    """Delete what is older, a month of the table at a time, the oldest first; how many clicks that were."""
    expired = 0
    for cutoff in wanted:
        parameters: dict[str, object] = {"cutoff": cutoff.cutoff_ms, "tenants": list(cutoff.tenants)}
        whose = f"tenant {'NOT IN' if cutoff.others else 'IN'} {{tenants:Array(String)}}"
        older = f"ts < {_CUTOFF} AND {whose}"
        for (month,) in warehouse.query(_MONTHS.format(older=older), parameters):
            of_month = f"{older} AND toYYYYMM(ts) = {int(month)}"
            expired += remove_clicks(warehouse, of_month, parameters, reason="expired")
    return expired


def _midnight_ms(now: datetime, days: int) -> int:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((midnight - timedelta(days=days)).timestamp() * 1000)
