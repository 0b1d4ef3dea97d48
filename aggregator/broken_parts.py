"""Takes up again what a merge was made of, where it broke because the disk was full.

A merge that finds no room for its last bytes may end as if all were well (seen in ClickHouse 26.7): the part
can't be read, and what it was made of is deleted eight minutes later. Until then, attaching the table again
puts the broken part aside and takes up the others: no row is lost. Replicated tables look after themselves.
"""

import logging
from typing import Final

from ingest.contract import Warehouse, WarehouseError

# CANNOT_WRITE_TO_FILE_DESCRIPTOR and NOT_ENOUGH_SPACE, of any statement or merge of the server.
_HAD_NO_ROOM: Final = """
SELECT count() FROM system.errors
WHERE code IN (75, 243) AND last_error_time > now() - INTERVAL 10 MINUTE
"""
_MERGED_LATELY: Final = """
SELECT table, name FROM system.parts
WHERE database = currentDatabase() AND active AND level > 0 AND modification_time > now() - INTERVAL 10 MINUTE
    AND table IN (
        SELECT name FROM system.tables
        WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND engine NOT LIKE 'Replicated%'
    )
"""
_LEFT_DETACHED: Final = """
SELECT table FROM system.detached_tables WHERE database = currentDatabase() AND NOT is_permanently
"""

_log = logging.getLogger(__name__)


def had_no_room(warehouse: Warehouse) -> bool:
    """Whether the server's disk was full within the last minutes."""
    ((errors,),) = warehouse.query(_HAD_NO_ROOM)
    return bool(errors)


def mend_broken_parts(warehouse: Warehouse) -> list[str]:
    """Read every part that was merged lately; the tables that were attached again.

    Whoever inserts into one of them at that moment finds it missing. Blocks.
    """
    for (table,) in warehouse.query(_LEFT_DETACHED):  # by one who died between the two statements below
        warehouse.command(f"ATTACH TABLE IF NOT EXISTS `{table}`")
    broken: dict[str, list[str]] = {}
    for table, part in warehouse.query(_MERGED_LATELY):
        if not _is_whole(warehouse, table, part):
            broken.setdefault(table, []).append(part)
    for table, parts in broken.items():
        _log.error("table %s: %s can't be read; what it was merged from is taken up again", table, parts)
        warehouse.command(f"DETACH TABLE `{table}` SYNC")
        warehouse.command(f"ATTACH TABLE `{table}`")
    return list(broken)


def _is_whole(warehouse: Warehouse, table: str, part: str) -> bool:
    """Also where it was merged into another one meanwhile, and is no more."""
    check = f"CHECK TABLE `{table}` PART '{part}' SETTINGS check_query_single_value_result = 0"
    try:
        ((_, is_passed, _),) = warehouse.query(check)
    except WarehouseError:
        return (table, part) not in warehouse.query(_MERGED_LATELY)
    return bool(int(is_passed))
