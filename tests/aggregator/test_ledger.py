"""The ledger balances whatever happens to clicks on their way, and tells where each one is."""

from pathlib import Path

import pytest

from aggregator.contract import Ledger, read_ledger
from aggregator.ledger import Account, SourceCount, account
from edge.contract import SpoolWriter, frame
from ingest.batches import DeadLetter
from ingest.contract import Warehouse
from ingest.dead_letters import DeadLetters
from ingest.sources.source import Range
from tests.fixtures.clicks import insert_clicks
from tests.ingest.click_events import click_json


def count(
    last_click: int, stored: int, *, last_letter: int = 0, letters: int = 0, unnumbered: int = 0
) -> SourceCount:
    return SourceCount(last_click, last_letter, stored, letters, unnumbered)


@pytest.mark.parametrize(
    ("sources", "spooled", "expected"),
    [
        ({}, {}, Account(0, 0, 0, 0)),
        ({7: count(10, 10)}, {}, Account(10, 0, 0, 0)),
        ({7: count(10, 10)}, {7: 14, 8: 3}, Account(17, 7, 0, 0)),
        ({}, {7: 0}, Account(0, 0, 0, 0)),
        ({7: count(10, 8)}, {7: 12}, Account(12, 2, 2, 0)),
        ({7: count(10, 9, last_letter=4, letters=1)}, {}, Account(10, 0, 0, 0)),
        ({7: count(10, 10, last_letter=11, letters=1)}, {7: 11}, Account(11, 0, 0, 0)),
        ({7: count(10, 10, letters=1, unnumbered=1)}, {}, Account(11, 0, 0, 0)),
        ({7: count(10, 10, letters=1, unnumbered=1)}, {7: 11}, Account(11, 0, 0, 0)),
        ({7: count(10, 9), 0: count(0, 0, letters=1, unnumbered=1)}, {}, Account(10, 0, 0, 0)),
        ({7: count(10, 11)}, {}, Account(10, 0, 0, 1)),
        ({7: count(10, 11), 8: count(10, 9)}, {}, Account(20, 0, 1, 1)),
    ],
    ids=[
        "nothing",
        "all stored",
        "some in the spool",
        "an empty spool",
        "two never came",
        "a dead letter",
        "a dead letter last",
        "an unreadable one last",
        "an unreadable one last and still spooled",
        "an unreadable one of nobody",
        "one twice",
        "one twice, another lost",
    ],
)
def test_each_source_is_balanced_by_itself(
    sources: dict[int, SourceCount], spooled: dict[int, int], expected: Account
) -> None:
    assert account(sources, spooled) == expected


def spool(writer: SpoolWriter, clicks: int) -> list[int]:
    """Append clicks as an edge does; their numbers."""
    seqs = [writer.take_seq() for _ in range(clicks)]
    writer.append(b"".join(frame(click_json(source=writer.source, seq=seq)) for seq in seqs))
    return seqs


def store(warehouse: Warehouse, source: int, seqs: list[int]) -> None:
    insert_clicks(warehouse, [{"source": source, "seq": seq} for seq in seqs], f"{source}:{seqs[0]}")


def test_the_way_of_clicks_from_spool_to_store(warehouse: Warehouse, tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path)
    first, rest = spool(writer, 5), spool(writer, 3)

    def ledger() -> Ledger:
        found = read_ledger(warehouse, tmp_path)
        assert found.is_balanced, found.differences
        return found

    assert ledger().account == Account(answered=8, on_the_way=8, missing=0, surplus=0)
    store(warehouse, writer.source, first)
    assert (ledger().account.on_the_way, ledger().carried, ledger().stored) == (3, 5, 5)
    for _ in range(2):  # whoever died before the commit does it again
        store(warehouse, writer.source, rest)
    assert (ledger().account.on_the_way, ledger().carried, ledger().stored) == (0, 8, 8)
    writer.close()


def test_clicks_that_a_full_disk_did_not_take_are_told(warehouse: Warehouse, tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path)
    stored = spool(writer, 2)
    for _ in range(3):  # answered, numbered, and not spooled
        writer.take_seq()
    stored += spool(writer, 1)
    store(warehouse, writer.source, stored)
    ledger = read_ledger(warehouse, tmp_path)
    assert (ledger.account.answered, ledger.spooled, ledger.not_spooled, ledger.stored) == (6, 3, 3, 3)
    assert ledger.is_balanced
    writer.close()


def test_a_torn_tail_and_a_record_that_is_no_event_hide_no_click(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    writer = SpoolWriter(tmp_path, segment_bytes=1)
    spool(writer, 4)
    writer.append(frame(b"[]") + frame(b"not json"))
    writer.append(b"00000000 {torn")
    assert read_ledger(warehouse, tmp_path).account.answered == 4
    writer.close()


def test_dead_letters_and_damaged_records_are_a_part_of_the_account(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    source = SpoolWriter(tmp_path / "elsewhere").source
    store(warehouse, source, [1, 2, 5])
    letters = [
        DeadLetter(300, "wrong_value", "method is 'PUT'", click_json(source=source, seq=3, method="PUT")),
        DeadLetter(500, "not_json", "", b"\xff"),
    ]
    kept = DeadLetters(warehouse)
    for _ in range(2):
        kept.write(Range(str(source), 0, 900), letters)
        kept.pass_over(Range(str(source), 0, 900), "damaged", 1)
    store(warehouse, source, [7])
    ledger = read_ledger(warehouse, tmp_path)
    assert ledger.account == Account(answered=7, on_the_way=0, missing=1, surplus=0)
    assert (ledger.letters_open, ledger.damaged, ledger.not_spooled) == (2, 1, 0)
    assert ledger.is_balanced


def test_a_click_stored_twice_never_balances(warehouse: Warehouse, tmp_path: Path) -> None:
    insert_clicks(warehouse, [{"source": 7, "seq": 1}, {"source": 7, "seq": 1}], "a")
    ledger = read_ledger(warehouse, tmp_path)
    assert ledger.differences == {"answered": -1, "rows": 0, "rollup": 0}
    assert not ledger.is_balanced


def test_a_row_that_is_gone_without_a_note_shows(warehouse: Warehouse, tmp_path: Path) -> None:
    store(warehouse, 7, [1, 2, 3])
    warehouse.command("DELETE FROM clicks WHERE seq = 2")
    assert read_ledger(warehouse, tmp_path).differences == {"answered": 0, "rows": -1, "rollup": 0}
