"""A part that a merge broke on a full disk is put aside, and what it was made of is taken up again."""

from pathlib import Path

import pytest

from aggregator.broken_parts import had_no_room, mend_broken_parts
from ingest.contract import Warehouse
from tests.fixtures.clicks import insert_clicks


def merge(warehouse: Warehouse) -> Path:
    """Three inserts merged into one part; its folder."""
    for seq in range(3):
        insert_clicks(warehouse, [{"seq": seq}], f"t{seq}")
    warehouse.command("OPTIMIZE TABLE clicks FINAL")
    ((path,),) = warehouse.query(
        "SELECT path FROM system.parts WHERE database = currentDatabase() AND table = 'clicks' AND active"
    )
    return Path(path)


def seqs(warehouse: Warehouse) -> list[int]:
    return [seq for (seq,) in warehouse.query("SELECT seq FROM clicks ORDER BY seq")]


@pytest.mark.parametrize("emptied", ["columns.txt", "data.cmrk*", "data.bin"])
def test_a_broken_part_is_made_good(warehouse: Warehouse, emptied: str) -> None:
    (file,) = merge(warehouse).glob(emptied)
    file.write_bytes(b"")
    assert mend_broken_parts(warehouse) == ["clicks"]
    assert seqs(warehouse) == [0, 1, 2]
    assert mend_broken_parts(warehouse) == []
    insert_clicks(warehouse, [{"seq": 1}], "t1")  # by a repeat, which is still known
    insert_clicks(warehouse, [{"seq": 3}], "t3")
    assert seqs(warehouse) == [0, 1, 2, 3]


def test_whole_parts_are_left_alone(warehouse: Warehouse) -> None:
    merge(warehouse)
    assert not had_no_room(warehouse)
    assert mend_broken_parts(warehouse) == []


def test_a_table_that_was_left_detached_is_attached(warehouse: Warehouse) -> None:
    merge(warehouse)
    warehouse.command("DETACH TABLE clicks SYNC")
    assert mend_broken_parts(warehouse) == []
    assert seqs(warehouse) == [0, 1, 2]


def test_what_was_merged_is_kept_for_long_enough(warehouse: Warehouse) -> None:
    """The library's own value is 0: it deletes it with its next clean-up."""
    ((kept_s,),) = warehouse.query(
        "SELECT toUInt32(value) FROM system.merge_tree_settings WHERE name = 'old_parts_lifetime'"
    )
    assert int(str(kept_s)) >= 480
