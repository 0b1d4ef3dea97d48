"""An insert that the engine noted and did not store: what a kill leaves between the two is made good."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.click_insert import ClickInsert
from ingest.contract import Warehouse, WarehouseUnavailableError
from ingest.deduplication_logs import FOLDER, Part, Parts, withdraw_lost_inserts
from ingest.replay import ReplayEnrichment
from tests.fixtures.system import ROOT
from tests.fixtures.warehouse import clickhouse_server
from tests.ingest.click_events import NOON_MS, a_click

TABLES = ("numbers", "sums", "sums_of_sums")


def insert(folder: Path, token: str, url: str = "") -> tuple[list[int], dict[str, Path]]:
    """Insert under a token, in a process of its own: the sums in table and views then, and their folders."""
    command = [sys.executable, "-m", "tests.ingest.insert_program", url, str(folder), token]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300).stdout
    lines = [line.split() for line in told.splitlines()]
    return [int(total) for _, total, _ in lines], {table: Path(path) for table, _, path in lines}


def take_back_last_part(table: Path) -> None:
    """Leave the folder as a kill does between the note and the rename."""
    *_, last = sorted(path for path in table.iterdir() if Part.parse(path.name))
    last.rename(table / f"tmp_insert_{last.name}")


def last_log(table: Path) -> Path:
    return max((table / FOLDER).iterdir())


@pytest.mark.parametrize("table", TABLES)
def test_what_was_noted_and_not_stored_is_stored_when_it_comes_again(tmp_path: Path, table: str) -> None:
    insert(tmp_path, "another")
    _, folders = insert(tmp_path, "one")
    take_back_last_part(folders[table])
    assert insert(tmp_path, "one")[0] == [16, 16, 16]
    assert insert(tmp_path, "one")[0] == [16, 16, 16]
    assert insert(tmp_path, "another")[0] == [16, 16, 16]


def test_a_line_that_a_power_cut_tore_costs_no_other(tmp_path: Path) -> None:
    insert(tmp_path, "one")
    _, folders = insert(tmp_path, "another")
    for folder in folders.values():
        with last_log(folder).open("ab") as log:
            log.write(b"1\tall_9_")
    assert insert(tmp_path, "another")[0] == [16, 16, 16]
    assert insert(tmp_path, "one")[0] == [16, 16, 16]


def test_a_server_is_mended_by_the_program_before_it_starts(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with clickhouse_server(tmp_path) as (url, server):
        _, folders = insert(tmp_path, "one", url)
        server.kill()
        server.wait()
    take_back_last_part(folders["numbers"])
    mend = [sys.executable, "-m", "ingest.deduplication_logs", str(data)]
    told = subprocess.run(mend, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300).stdout
    assert told == "1 inserts that were noted and not stored may be done again\n"
    with clickhouse_server(tmp_path) as (url, _):
        assert insert(tmp_path, "one", url)[0] == [6, 6, 6]
    wrong = subprocess.run(
        [*mend[:-1], str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert wrong.returncode == 1
    assert "is not the data folder of a ClickHouse server" in wrong.stderr


def test_clicks_that_the_engine_wrongly_takes_for_stored_are_waited_for(
    tmp_path: Path, warehouse: Warehouse, chdb_folder: Path
) -> None:
    enrichment = ReplayEnrichment(data_dir=tmp_path, geoip_path=None, warehouse=warehouse)
    columns = enrichment.columns([a_click(seq=seq) for seq in range(1, 11)], now_ms=NOON_MS)
    first = ClickInsert(warehouse, columns, "one", may_be_there=False)
    first.run()
    first.run()
    ((path,),) = warehouse.query(
        "SELECT data_paths[1] FROM system.tables WHERE database = currentDatabase() AND name = 'clicks'"
    )
    warehouse.command("DETACH TABLE clicks SYNC")
    take_back_last_part(Path(path))
    warehouse.command("ATTACH TABLE clicks")
    again = ClickInsert(warehouse, columns, "one", may_be_there=True)
    with pytest.raises(WarehouseUnavailableError, match=r"noted the insert one .*ingest\.deduplication_logs"):
        again.run()
    warehouse.command("DETACH TABLE clicks SYNC")
    assert withdraw_lost_inserts(chdb_folder) == 1
    warehouse.command("ATTACH TABLE clicks")
    again.run()
    assert warehouse.query("SELECT count() FROM clicks") == [(10,)]
    assert warehouse.query("SELECT sum(clicks) FROM click_sources") == [(10,)]


spans = st.tuples(st.sampled_from(["202611", "all"]), st.integers(1, 30), st.integers(0, 8)).map(
    lambda drawn: Part(drawn[0], drawn[1], drawn[1] + drawn[2])
)


@given(st.lists(spans, max_size=12), spans)
def test_a_part_is_held_where_any_covers_it(parts: list[Part], sought: Part) -> None:
    covering = [
        part
        for part in parts
        if part.partition == sought.partition and part.first <= sought.first and part.last >= sought.last
    ]
    assert Parts(parts).hold(sought) == bool(covering)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("all_2_2_0", Part("all", 2, 2)),
        ("202611_1_5_3_17", Part("202611", 1, 5)),
        ("tmp_insert_all_2_2_0", None),
        ("delete_tmp_all_2_2_0", None),
        ("deduplication_logs", None),
        ("format_version.txt", None),
    ],
)
def test_parts_are_known_by_their_names(name: str, part: Part | None) -> None:
    assert Part.parse(name) == part
