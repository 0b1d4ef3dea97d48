"""Short forms of the long drills, which `make drills` runs: `tests/drills/`."""

import resource
from pathlib import Path

import pytest

from tests.drills.clients import Crowd, clicking
from tests.drills.poison import letters_told, replay_mended
from tests.drills.processes import SPOOLS, told
from tests.drills.report import BEGIN, END, Line, Outcome, write_table
from tests.drills.site import PATH, Site, running_site
from tests.fixtures.system import wait_until


@pytest.mark.drill
@pytest.mark.needs_kafka
def test_each_program_and_neighbour_fails_once_under_load(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        with (
            clicking(site.system.edge_port, [PATH]) as clients,
            Crowd(site.spool_dir, spools=SPOOLS, rate=300, poison_every=200) as crowd,
        ):
            for fail in (_kill_worker, _kill_shipper, _kill_ingest, _kill_warehouse, _fill_disk, _kill_kafka):
                site.await_progress(more=100)
                fail(site)
            site.await_progress(more=100)
        sent = told(clients, crowd)
        site.await_drained(lambda: site.stored() >= sent.clicks)
        replay_mended(site)
        assert letters_told(site).keys() == set(crowd.poisoned)
        assert site.settle(sent) == ()
        assert clients.statuses.keys() == {302}


def _kill_worker(site: Site) -> None:
    victim = site.programs.process("edge").children()[0]
    victim.kill()
    victim.wait(5)
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


def _fill_disk(site: Site) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(site.clickhouse.pid, resource.RLIMIT_FSIZE, (0, hard))
    wait_until("ingest in trouble", lambda: not site.programs.is_ready("ingest"))
    resource.prlimit(site.clickhouse.pid, resource.RLIMIT_FSIZE, (hard, hard))


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
