"""The warehouse killed and paused, while clicks go on."""

import time
from pathlib import Path
from typing import Final

from tests.drills.clients import Clients, Crowd
from tests.drills.processes import counts, loaded, told
from tests.drills.report import Outcome
from tests.drills.site import Site, running_site
from tests.fixtures.system import wait_until

DRAIN_FACTOR: Final = 2.0
CAUGHT_UP_S: Final = 2.0  # a lag of no more than this many seconds' clicks is what there is at any time


def kill_warehouse(folder: Path, *, kills: int = 10) -> Outcome:
    """Each time it is gone for a second, and must store again before it is killed once more."""
    with running_site(folder) as site:
        with loaded(site) as (clients, crowd):
            for _ in range(kills):
                site.await_progress(more=500)
                site.clickhouse.kill()
                time.sleep(1)  # it is down
                site.clickhouse.start()
        sent = told(clients, crowd)
        misses = site.settle(sent)
        return Outcome(f"{kills} kills; {counts(site, sent)}", misses)


def pause_warehouse(folder: Path, *, pauses: int = 5, paused_s: float = 30.0) -> Outcome:
    """Connections stay open and nothing is answered; then the lag must drain at twice the arrival rate."""
    factors: list[float] = []
    with running_site(folder) as site:
        with loaded(site) as (clients, crowd):
            for _ in range(pauses):
                site.await_progress(more=500)
                site.clickhouse.pause()
                time.sleep(paused_s)  # it is paused
                site.clickhouse.resume()
                factors.append(_drain(site, clients, crowd))
        sent = told(clients, crowd)
        misses = site.settle(sent)
        slowest = min(factors)
        slow = (f"the lag drained at {slowest:.1f} times the arrival rate",) if slowest < DRAIN_FACTOR else ()
        came = (
            f"{pauses} pauses of {paused_s:.0f} s, drained at {slowest:.1f} times the arrival rate or faster"
        )
        return Outcome(f"{came}; {counts(site, sent)}", (*misses, *slow))


def _drain(site: Site, clients: Clients, crowd: Crowd) -> float:
    """Wait until ingest has caught up; how many clicks it stored for each that arrived meanwhile."""

    def sent() -> int:
        return len(clients.answered) + crowd.clicks

    began_s, stored, arrived = time.monotonic(), site.stored(), sent()

    def has_caught_up() -> bool:
        rate = (sent() - arrived) / (time.monotonic() - began_s)
        return sent() - site.stored() <= rate * CAUGHT_UP_S

    wait_until("caught up", has_caught_up, deadline_s=120)
    return (site.stored() - stored) / max(1, sent() - arrived)
