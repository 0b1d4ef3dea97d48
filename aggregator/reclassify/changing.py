"""Changes verdict and rule of the noted clicks where they stand, and tells the reports."""

import time
from collections.abc import Callable
from typing import Final

from aggregator.rollups import mark_dirty
from ingest.contract import Warehouse, WarehouseError

# Each takes about 100 bytes of memory while the mutation runs.
CLICKS_A_MUTATION: Final = 1_000_000
POLL_S: Final = 0.1
# Beyond this many windows of single links, a tenant's whole days are marked.
LINK_WINDOWS: Final = 1_000

# Read by the mutation for each click it changes.
_JUDGEMENTS: Final = "reclassified_judgements"
_OF_MONTH: Final = "reclassification = {reclassification:String} AND month = {month:UInt32}"
_OF_PIECE: Final = f"{_OF_MONTH} AND cityHash64(source, seq) % {{pieces:UInt32}} = {{piece:UInt32}}"


def change_clicks(
    warehouse: Warehouse,
    reclassification: str,
    month: int,
    rules_version: int,
    check_stop: Callable[[], None],
) -> None:
    """Make the judgements noted of a month the clicks' own. Doing it again changes nothing more.

    `check_stop` raises where it is time to stop; the engine finishes a mutation that has begun. Raises
    `WarehouseError` where a mutation fails.
    """
    of_month: dict[str, object] = {"reclassification": reclassification, "month": month}
    ((noted,),) = warehouse.query(f"SELECT count() FROM reclassified_clicks WHERE {_OF_MONTH}", of_month)  # noqa: S608 - our own names
    pieces = -(-int(noted) // CLICKS_A_MUTATION)
    for piece in range(pieces):
        _change_piece(warehouse, {**of_month, "pieces": pieces, "piece": piece}, rules_version, check_stop)
    _mark(warehouse, of_month)


def _change_piece(
    warehouse: Warehouse, piece: dict[str, object], rules_version: int, check_stop: Callable[[], None]
) -> None:
    _wait(warehouse, check_stop)  # one left by a predecessor reads the table that is made anew here
    ((database,),) = warehouse.query("SELECT currentDatabase()")
    warehouse.command(f"DROP TABLE IF EXISTS {_JUDGEMENTS} SYNC")
    warehouse.command(
        f"CREATE TABLE {_JUDGEMENTS} (source UInt64, seq UInt64, verdict String, rule String)"
        " ENGINE = Join(ANY, LEFT, source, seq)"
    )
    warehouse.command(
        f"INSERT INTO {_JUDGEMENTS} SELECT source, seq, verdict, rule"  # noqa: S608 - our own names
        f" FROM reclassified_clicks WHERE {_OF_PIECE}",
        piece,
    )
    read = f"joinGet('{database}.{_JUDGEMENTS}', '{{}}', source, seq)"
    warehouse.command(
        f"ALTER TABLE clicks UPDATE verdict = {read.format('verdict')}, rule = {read.format('rule')},"
        f" rules_version = {rules_version} IN PARTITION {piece['month']}"
        f" WHERE {read.format('rule')} != ''"
        " SETTINGS mutations_sync = 0, allow_nondeterministic_mutations = 1"
    )
    check_stop()
    _wait(warehouse, check_stop)
    warehouse.command(f"DROP TABLE {_JUDGEMENTS} SYNC")


def _wait(warehouse: Warehouse, check_stop: Callable[[], None]) -> None:
    """Wait for mutations of ours to end."""
    while True:
        unfinished = warehouse.query(
            "SELECT mutation_id, latest_fail_reason FROM system.mutations"
            " WHERE database = currentDatabase() AND table = 'clicks' AND NOT is_done"
            " AND position(command, {judgements:String}) > 0",
            {"judgements": _JUDGEMENTS},
        )
        if not unfinished:
            return
        for mutation, reason in unfinished:
            if reason:
                warehouse.command(
                    "KILL MUTATION WHERE database = currentDatabase() AND table = 'clicks'"
                    " AND mutation_id = {mutation:String}",
                    {"mutation": mutation},
                )
                raise WarehouseError(f"the warehouse could not change verdicts: {reason}")
        check_stop()
        time.sleep(POLL_S)


def _mark(warehouse: Warehouse, of_month: dict[str, object]) -> None:
    """Tell the reports which days of which links have changed."""
    bounds = "toUnixTimestamp64Milli(min(ts)), toUnixTimestamp64Milli(max(ts)) + 1"
    noted = f"FROM reclassified_clicks WHERE {_OF_MONTH}"
    windows = warehouse.query(
        f"SELECT tenant, link, {bounds} {noted} GROUP BY tenant, link, toDate(ts) LIMIT {LINK_WINDOWS + 1}",
        of_month,
    )
    if len(windows) > LINK_WINDOWS:
        windows = warehouse.query(
            f"SELECT tenant, NULL, {bounds} {noted} GROUP BY tenant, toDate(ts)",
            of_month,
        )
    for tenant, link, start_ms, end_ms in windows:
        mark_dirty(warehouse, tenant, link, start_ms, end_ms)
