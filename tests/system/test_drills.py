"""Short forms of the long drills, which `make drills` runs: `tests/drills/`."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from aggregator.contract import DAY_S, HOUR_S, QUARTER_S
from ingest.contract import Warehouse
from tests.drills.clients import Crowd, clicking
from tests.drills.exact import TAG, Sent, differences
from tests.drills.poison import letters_told, replay_mended
from tests.drills.processes import SPOOLS, told
from tests.drills.report import BEGIN, END, Line, Outcome, write_table
from tests.drills.site import PATH, Site, running_site
from tests.fixtures.clicks import insert_clicks
from tests.fixtures.system import wait_until
from tests.ingest.click_events import NOON_MS


@pytest.mark.drill
@pytest.mark.needs_kafka
def test_each_program_and_neighbour_fails_once_under_load(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        with (
            clicking(site.system.edge_port, [PATH]) as clients,
            Crowd(site.spool_dir, spools=SPOOLS, rate=300, poison_every=200) as crowd,
        ):
            for fail in (_kill_worker, _kill_shipper, _kill_ingest, _kill_warehouse, _kill_kafka):
                site.await_progress(more=100)
                fail(site)
            site.await_progress(more=100)
        sent = told(clients, crowd)
        site.await_drained(sent)
        replay_mended(site)
        assert letters_told(site).keys() == set(crowd.poisoned)
        assert site.settle(sent) == ()
        assert clients.statuses.keys() == {302}


def _kill_worker(site: Site) -> None:
    victim = site.programs.process("edge").children()[0]
    victim.kill()
    victim.wait(180)
    wait_until("it is back", lambda: len(site.programs.process("edge").children()) == 2)


def _kill_shipper(site: Site) -> None:
    site.programs.kill("ingest.shipper")
    site.programs.start("ingest.shipper")


def _kill_ingest(site: Site) -> None:
    site.programs.kill("ingest")
    site.programs.start("ingest")


def _kill_warehouse(site: Site) -> None:
    site.clickhouse.kill()
    site.clickhouse.start()


def _kill_kafka(site: Site) -> None:
    site.kafka.kill()
    site.kafka.start()


def test_the_table_keeps_lines_of_drills_that_were_not_run(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    names = ["one", "two", "three"]
    write_table(document, [Line("three", "p", Outcome("3"), 3.0), Line("one", "p", Outcome("1"), 1.0)], names)
    write_table(document, [Line("two", "p", Outcome("2", ("lost: 7",)), 2.4)], names)
    before, begin, *_, first, second, third, end, after = document.read_text().splitlines()
    assert (before, begin, end, after) == ("before", BEGIN, END, "after")
    assert first == "| one | p | 1 | 1 s | held |"
    assert second == "| two | p | 2; lost: 7 | 2 s | **missed** |"
    assert third == "| three | p | 3 | 3 s | held |"


def test_a_document_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "document.md").write_text("no markers")
    with pytest.raises(ValueError, match="has no lines"):
        write_table(tmp_path / "document.md", [], [])


def put(warehouse: Warehouse, numbers: Iterable[int], token: str) -> None:
    """Clicks with a tag each, of spool 5, within one quarter of an hour."""
    first_ms = NOON_MS // 900_000 * 900_000
    clicks = [{"referer": f"{TAG}{n}", "source": 5, "seq": n, "ts": first_ms + 100 * n} for n in numbers]
    insert_clicks(warehouse, clicks, token)


def test_what_is_exact_is_found_so(warehouse: Warehouse, tmp_path: Path) -> None:
    put(warehouse, range(1, 1_201), "a")  # enough for windows of each grain
    tags = {f"{TAG}{n}" for n in range(1, 1_201)}
    assert differences(warehouse, Sent(tags, tags, {5: 1_200}), tmp_path) == []
    grains = warehouse.query("SELECT DISTINCT grain FROM rollup_windows WHERE detailed")
    assert {grain for (grain,) in grains} >= {QUARTER_S, HOUR_S, DAY_S}


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("lost", {"answered, not stored: 1", "spools whose rows differ (5: (6, 6)): 1"}),
        ("repeated", {"stored more than once: 7"}),
        ("foreign", {"stored, never asked: 1"}),
        ("unmarked", {"wrong windows of 86400 s by link: 1", "difference of click_sources: 1"}),
    ],
)
def test_what_is_not_exact_is_told(warehouse: Warehouse, tmp_path: Path, fault: str, found: set[str]) -> None:
    tags = {f"{TAG}{n}" for n in range(1, 8)}
    put(warehouse, range(1, 7 if fault == "lost" else 8), "a")
    if fault == "repeated":
        put(warehouse, range(1, 8), "b")
    if fault == "foreign":
        put(warehouse, [100], "b")
    if fault == "unmarked":
        assert differences(warehouse, Sent(tags, tags, {5: 7}), tmp_path) == []
        warehouse.command("DELETE FROM clicks WHERE seq = 7")
    told = differences(warehouse, Sent(tags, tags, {5: 7}), tmp_path)
    assert found <= set(told), told
