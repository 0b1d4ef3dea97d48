"""A domain that has all of its tenant's clicks has the tenant's windows: they are copied, not computed again.

By the counts of changes: each change of a domain's window is one of its tenant's too, so where both have as
many, the tenant's has no others.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from aggregator.rollups.compute import WANTED, parameters_of
from aggregator.rollups.windows import LOOK_BACK_S, Window
from ingest.contract import Warehouse

_KEYS: Final = f"""
INSERT INTO <table> WITH {WANTED}
SELECT tenant, 'domain', {{subject:UInt64}}, COLUMNS('.*') EXCEPT (tenant, scope, subject)
FROM <table>
WHERE tenant = {{tenant:String}} AND scope = 'tenant' AND <grain>
    AND (start, changes) IN (SELECT toDateTime(start, 'UTC'), changes FROM wanted)
LIMIT 1 BY start, dimension
SETTINGS insert_deduplicate = 0, async_insert = 0
"""
_WINDOWS: Final = f"""
INSERT INTO rollup_windows WITH {WANTED}
SELECT tenant, 'domain', grain, {{subject:UInt64}}, start, changes, detailed, clicks
FROM rollup_windows
WHERE tenant = {{tenant:String}} AND scope = 'tenant' AND grain = {{grain:UInt32}}
    AND (start, changes) IN (SELECT toDateTime(start, 'UTC'), changes FROM wanted)
LIMIT 1 BY start
SETTINGS insert_deduplicate = 0, async_insert = 0
"""
_KEYS_OF_WINDOWS: Final = _KEYS.replace("<table>", "rollup_keys").replace("<grain>", "grain = {grain:UInt32}")
_KEYS_OF_RETURNS: Final = _KEYS.replace("<table>", "rollup_returns").replace("<grain>", "true")


def split_twins(windows: Sequence[Window], stale: Iterable[Window]) -> tuple[list[Window], list[Window]]:
    """Those of domains with as many changes as their tenant's window among `stale`, and all others.

    All must have been found by one look: of an earlier one the tenant's changes may be another domain's.
    """
    of_tenants = {
        (each.tenant, each.grain_s, each.start_s, each.changes) for each in stale if each.scope == "tenant"
    }
    twins = [
        each
        for each in windows
        if each.scope == "domain" and (each.tenant, each.grain_s, each.start_s, each.changes) in of_tenants
    ]
    return twins, [each for each in windows if each not in twins]


def copy_twins(warehouse: Warehouse, windows: Sequence[Window]) -> None:
    """Copy from the tenant's, which must be computed by now. All are of one tenant and grain. Blocks."""
    for subject in {each.subject for each in windows}:
        chosen = [each for each in windows if each.subject == subject]
        parameters = {**parameters_of(chosen), "subject": subject, "grain": chosen[0].grain_s}
        of_returns = chosen[0].grain_s == LOOK_BACK_S
        warehouse.command(_KEYS_OF_RETURNS if of_returns else _KEYS_OF_WINDOWS, parameters)
        warehouse.command(_WINDOWS, parameters)
