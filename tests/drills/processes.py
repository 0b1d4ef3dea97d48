"""kill -9 of ingest at each point of a batch, of the shipper, of the edge's workers: from clients to rows."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.drills.clients import Clients, Crowd, clicking
from tests.drills.exact import Sent
from tests.drills.report import Outcome
from tests.drills.site import PATH, Site, running_site
from tests.fixtures.system import wait_until
from tests.ingest.ingest_program import POINTS

SPOOLS: Final = 12  # so that all partitions have some
CROWD_RATE: Final = 600.0
DEATH_WITHIN_S: Final = 60.0
BACK_WITHIN_S: Final = 2.0


def kill_ingest(folder: Path, *, kills_a_point: int = 10) -> Outcome:
    """The only member of the group dies, and the next one comes, again and again."""
    points = [point for point in POINTS for _ in range(kills_a_point)]

    def kill_all(site: Site) -> None:
        for number, point in enumerate(points):
            _start_mortal(site, point, 1 + number % 3)
            wait_until(
                f"death at {point}",
                lambda: site.programs.poll("ingest") is not None,
                deadline_s=DEATH_WITHIN_S,
            )
            code = site.programs.poll("ingest")
            assert code == -signal.SIGKILL, (point, code, site.programs.log("ingest"))
        site.programs.start("ingest")

    return _drill(folder, kill_all, f"{len(points)} kills, {kills_a_point} a point", without=("ingest",))


def kill_shipper(folder: Path, *, kills: int = 20) -> Outcome:
    def kill_all(site: Site) -> None:
        for _ in range(kills):
            site.await_progress(more=500)
            site.programs.kill("ingest.shipper")
            site.programs.start("ingest.shipper")

    return _drill(folder, kill_all, f"{kills} kills")


def kill_workers(folder: Path, *, kills: int = 50) -> Outcome:
    """One of two workers dies, the other one serves; the next kill comes when both are back."""
    slowest_s = 0.0

    def kill_all(site: Site) -> None:
        nonlocal slowest_s
        edge = site.programs.process("edge")
        for number in range(kills):
            site.await_progress(more=100)
            victim = edge.children()[number % 2]
            victim.kill()
            killed_s = time.monotonic()
            victim.wait(BACK_WITHIN_S)
            wait_until("both workers", lambda: len(edge.children()) == 2 and site.programs.is_ready("edge"))
            slowest_s = max(slowest_s, time.monotonic() - killed_s)

    outcome = _drill(folder, kill_all, f"{kills} kills")
    late = (f"a worker was back after {slowest_s:.2f} s",) if slowest_s > BACK_WITHIN_S else ()
    return Outcome(f"{outcome.came}; slowest back after {slowest_s:.2f} s", (*outcome.misses, *late))


@contextmanager
def loaded(site: Site) -> Iterator[tuple[Clients, Crowd]]:
    """Clients who click at a site's link, and writers who spool, from now to the end."""
    with (
        clicking(site.system.edge_port, [PATH]) as clients,
        Crowd(site.spool_dir, spools=SPOOLS, rate=CROWD_RATE) as crowd,
    ):
        yield clients, crowd


def told(clients: Clients, crowd: Crowd) -> Sent:
    return Sent(clients.asked, clients.answered, crowd.spooled, crowd.poisoned)


def counts(site: Site, sent: Sent) -> str:
    """How much was answered and spooled, and how many rows there are."""
    spooled = sum(sent.spooled.values())
    return f"{len(sent.answered):,} times 302 and {spooled:,} spooled, {site.stored():,} rows"


def _drill(
    folder: Path, kill_all: Callable[[Site], None], came: str, without: tuple[str, ...] = ()
) -> Outcome:
    with running_site(folder, without=without) as site:
        with loaded(site) as (clients, crowd):
            kill_all(site)
        sent = told(clients, crowd)
        misses = site.settle(sent)
        return Outcome(f"{came}; {counts(site, sent)}", misses)


def _start_mortal(site: Site, point: str, nth: int) -> None:
    ((database,),) = site.warehouse.query("SELECT currentDatabase()")
    urls = site.system.extra_env
    arguments = [
        *(str(site.system.data_dir), urls["SMARTLINKS_EVENTS_URL"], urls["SMARTLINKS_CLICKHOUSE_URL"]),
        *(str(database), point, str(nth)),
    ]
    site.programs.start("ingest", "tests.ingest.kafka_ingest_program", arguments)
