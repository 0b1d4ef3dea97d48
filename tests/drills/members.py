"""Members of the group that ingests come and go every few seconds, some without a word."""

import itertools
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

from ingest.contract import Warehouse
from tests.drills.clients import Crowd, clicking
from tests.drills.processes import CROWD_RATE, counts, told
from tests.drills.report import Outcome
from tests.drills.site import PARTITIONS, PATH, Site, running_site
from tests.fixtures.ports import free_ports

SPOOLS: Final = 24
FEWEST: Final = 1
MOST: Final = 4
SILENT_S: Final = 30.0


class Members:
    """The members by name, each with a metrics port of its own."""

    def __init__(self, site: Site) -> None:
        self._programs = site.programs
        self._ports = itertools.cycle(free_ports(16)[:-1])  # ingest's is the one behind
        self._numbers = itertools.count(1)
        self._names: list[str] = []
        self.changes = 0

    def change(self) -> None:
        """Add one, or end the oldest: every other time by kill -9."""
        self.changes += 1
        has_room = len(self._names) < MOST
        if len(self._names) <= FEWEST or (has_room and self.changes % 2):
            name = f"ingest-{next(self._numbers)}"
            port = {"SMARTLINKS_METRICS_PORT": str(next(self._ports))}
            self._programs.start(name, "ingest", extra_env=port)
            self._names.append(name)
            return
        name = self._names.pop(0)
        if self.changes % 4:
            self._programs.kill(name)
        else:
            code = self._programs.end(name)
            assert code == 0, (name, code, self._programs.log(name))


def change_members(folder: Path, *, for_s: float = 180.0, every_s: float = 5.0) -> Outcome:
    with running_site(folder, without=("ingest",)) as site:
        members = Members(site)
        members.change()
        with (
            clicking(site.system.edge_port, [PATH]) as clients,
            Crowd(site.spool_dir, spools=SPOOLS, rate=CROWD_RATE) as crowd,
        ):
            site.await_progress()
            ends_s = time.monotonic() + for_s
            while time.monotonic() < ends_s:
                members.change()
                time.sleep(every_s)  # the pace of the changes
        sent = told(clients, crowd)
        misses = site.settle(sent)
        silence_s = longest_silence_s(site.warehouse)
        silent = (f"a spool was silent for {silence_s:.0f} s",) if silence_s > SILENT_S else ()
        came = f"{members.changes} changes over {PARTITIONS} partitions, longest silence {silence_s:.1f} s"
        return Outcome(f"{came}; {counts(site, sent)}", (*misses, *silent))


def longest_silence_s(warehouse: Warehouse) -> float:
    """The longest time in which no click of some spool was taken into a batch, while all were clicking."""
    taken: dict[int, list[int]] = defaultdict(list)
    batches = "SELECT source, toUnixTimestamp64Milli(ingested_at) AS ms FROM clicks GROUP BY source, ms"
    for source, ms in warehouse.query(f"{batches} ORDER BY ms"):
        taken[int(source)].append(int(ms))
    gaps = (later - earlier for times in taken.values() for earlier, later in itertools.pairwise(times))
    return max(gaps, default=0) / 1000
