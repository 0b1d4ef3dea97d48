"""kill -9 at a rename: of plans, positions and cursors, and of the parts of tables and views.

A rename is what makes a file count, so to die at one leaves what no death a moment sooner or later leaves.
`strace` delivers the signal; it counts the renames of each thread by itself.
"""

import itertools
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import orjson

from tests.drills.clients import clicking
from tests.drills.exact import Sent
from tests.drills.one_machine import ANALYTICS, API, INGEST, end_and_count, mint_paths, one_machine
from tests.drills.report import Outcome
from tests.fixtures.system import ROOT, System, wait_until
from tests.ingest.test_runner_kills import Spools, assert_counted_once, ingest

CLICKS: Final = 900  # two batches
WITHIN_S: Final = 300
WRITERS: Final = 2
RECIPIENTS: Final = 5
LAST_RENAME: Final = 25
MISSING: Final = Outcome("nothing", ("strace is missing: apt-get install strace",))
_CALLS: Final = "rename,renameat,renameat2"


def kill_ingest_at_renames(folder: Path) -> Outcome:
    """Kill it at its first rename, then at its second, until it has no more; each time with new clicks."""
    if shutil.which("strace") is None:
        return MISSING
    assert ingest(folder).returncode == 0  # makes the tables
    spools = Spools(folder)
    program = [sys.executable, "-m", "tests.ingest.ingest_program", str(folder), "none", "1"]
    kills = 0
    while True:
        dead = spools.open_writer()
        spools.spool(dead, CLICKS)
        spools.close(dead)
        done = subprocess.run(
            [*_killing_at(1 + kills, folder), *program],
            cwd=ROOT,
            capture_output=True,
            check=False,
            timeout=WITHIN_S,
        )
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        kills += 1
    counts = orjson.loads(done.stdout)
    came = f"{kills} kills; {sum(spools.spooled.values()):,} clicks of {len(spools.spooled)} spools"
    try:
        assert_counted_once(spools, counts)
    except AssertionError as error:
        return Outcome(came, (str(error),))
    return Outcome(f"{came}, each stored and counted once")


def kill_analytics_at_renames(folder: Path, *, kills: int = 25) -> Outcome:
    """Of one machine, while people click and links are made: at a rename drawn from its next ones."""
    if shutil.which("strace") is None:
        return MISSING
    chance = random.Random(20261122)
    with one_machine(folder) as system:
        system.start()
        with clicking(system.edge_port, mint_paths(system)) as clients, making_links(system) as made:
            for _ in range(kills):
                _kill_at_rename(system, folder, chance.randint(1, LAST_RENAME))
        asked = len(clients.asked)
        misses = list(made.misses(system))
        sent = Sent(clients.asked, clients.answered)
        differences, stored = end_and_count(system, sent)
    log = (folder / "system.log").read_text(errors="replace")
    came = (
        f"{kills} kills, after {log.count('died before they were stored')} of them inserts noted and not"
        f" stored; {sent.clicks:,} times 302 of {asked:,}, {stored:,} rows, {len(made.links)} links made"
        f" with {RECIPIENTS} recipients each"
    )
    return Outcome(came, (*misses, *differences))


def _killing_at(rename: int, folder: Path) -> list[str]:
    return [
        *("strace", "-f", "-qq", "-o", str(folder / "trace"), "-e", f"trace={_CALLS}"),
        *("-e", f"inject={_CALLS}:signal=KILL:when={rename}"),
    ]


def _kill_at_rename(system: System, folder: Path, rename: int) -> None:
    (victim,) = system.processes(ANALYTICS)
    with subprocess.Popen([*_killing_at(rename, folder), "-p", str(victim.pid)]) as tracer:
        tracer.wait(WITHIN_S)  # it ends with whom it traces
    wait_until("its death", lambda: not victim.is_running())
    wait_until(
        "another one",
        lambda: system.processes(ANALYTICS) and system.is_ready(INGEST) and system.is_ready(API),
    )


@dataclass(slots=True)
class Made:
    """Links by their names, as they were answered, once their recipients' codes were answered as well."""

    links: dict[str, dict[str, Any]] = field(default_factory=dict)

    def misses(self, system: System) -> Iterator[str]:
        """What was told and is not so."""
        with system.api as api:
            for name, link in self.links.items():
                found = api.get(f"/v1/links/{link['id']}")
                if found.status_code != 200:
                    yield f"{name} is gone: {found.status_code}"
                elif found.json()["links_sent_30d"] != RECIPIENTS:
                    yield f"{name} has {found.json()['links_sent_30d']} codes"


@contextmanager
def making_links(system: System) -> Iterator[Made]:
    """Writers that make a link and its recipients' codes, and again where they were not answered."""
    made, is_over = Made(), threading.Event()

    def write(writer: int) -> None:
        for number in itertools.count():
            name = f"writer {writer} link {number}"
            while name not in made.links:
                if is_over.wait(0.05):
                    return
                link = _make(system, name)
                if link is not None:
                    made.links[name] = link

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield made
    finally:
        is_over.set()
        for writer in writers:
            writer.join()


def _make(system: System, name: str) -> dict[str, Any] | None:
    """The link; None where an answer was missing or 503."""
    recipients = [{"recipient": f"+44770090{number:04}"} for number in range(RECIPIENTS)]
    try:
        with system.api as api:
            link = api.post(
                "/v1/links", json={"destination_url": "https://example.com/", "external_id": name}
            )
            if link.status_code == 503:
                return None
            codes = api.post(
                f"/v1/links/{link.raise_for_status().json()['id']}/recipients",
                json={"recipients": recipients},
            )
            if codes.status_code == 503:
                return None
            codes.raise_for_status()
            made: dict[str, Any] = link.json()
            return made
    except httpx.TransportError:
        return None
