"""One machine: the analytics process killed over a folder with ten million clicks, which is opened again."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from aggregator.contract import migrate, refresh
from ingest.contract import open_warehouse
from tests.drills.clients import clicking
from tests.drills.exact import Sent, differences
from tests.drills.report import Outcome
from tests.drills.rows import make_rows
from tests.fixtures.ports import free_ports
from tests.fixtures.system import System, wait_until
from tests.system.test_whole_way import make_link

ANALYTICS: Final = "deploy.standalone.analytics"
INGEST: Final = 1
API: Final = 3
BACK_WITHIN_S: Final = 5.0
CLICKS_A_LIFE: Final = 500
DESTINATION: Final = "https://shop.example.com/landing"
RECIPIENTS: Final = 500
Answer = TypeVar("Answer")
OLD_LINKS: Final = 1_000
OLD_CODES: Final = [f"old{number:05}" for number in range(1_000)]


def kill_analytics(folder: Path, *, kills: int = 30, rows: int = 10_000_000) -> Outcome:
    with one_machine(folder) as system:
        warehouse_dir = system.data_dir / "warehouse"
        if not warehouse_dir.exists():  # a folder that was filled before is used as it is
            in_engine(fill, warehouse_dir, rows)
        system.start()
        with clicking(system.edge_port, mint_paths(system)) as clients:
            slowest_s = max(_kill(system) for _ in range(kills))
        sent = Sent(clients.asked, clients.answered)
        misses, stored = end_and_count(system, sent)
    if slowest_s > BACK_WITHIN_S:
        misses.append(f"it was back after {slowest_s:.1f} s")
    came = f"{kills} kills over {rows:,} rows, slowest back after {slowest_s:.1f} s"
    return Outcome(f"{came}; {sent.clicks:,} times 302, {stored - rows:,} rows more", tuple(misses))


def _kill(system: System) -> float:
    """Kill the analytics once they store clicks; the seconds until they ingest and serve again."""
    (victim,) = wait_until("analytics", lambda: system.processes(ANALYTICS))
    wait_until("clicks stored", lambda: _stored(system) >= CLICKS_A_LIFE)
    victim.kill()
    killed_s = time.monotonic()
    victim.wait(BACK_WITHIN_S)
    wait_until("back", lambda: system.is_ready(INGEST) and system.is_ready(API), deadline_s=60)
    return time.monotonic() - killed_s


def _stored(system: System) -> float:
    return system.metric(INGEST, "smartlinks_ingest_stored_total") or 0.0


@contextmanager
def one_machine(folder: Path, **environment: str) -> Iterator[System]:
    """A system on free ports that is not started yet."""
    edge_port, api_port, *metrics = free_ports(7)
    system = System(folder / "var", edge_port, api_port, metrics[0], extra_env=environment)
    try:
        yield system
    finally:
        system.close()


def mint_paths(system: System) -> list[str]:
    """A link to `DESTINATION` in a running system: the paths of its recipients' short URLs."""
    with system.api as api:
        link = make_link(api, destination_url=DESTINATION)
        recipients = [{"recipient": f"+4179{number:07d}"} for number in range(RECIPIENTS)]
        minted = api.post(f"/v1/links/{link['id']}/recipients", json={"recipients": recipients})
    prefix = f"http://localhost:{system.edge_port}"
    return [each["short_url"].removeprefix(prefix) for each in minted.json()["data"]]


def end_and_count(system: System, sent: Sent) -> tuple[list[str], int]:
    """Stop a system whose load has ended; what is not exact, and how many rows there are."""
    wait_until(
        "an empty spool", lambda: system.metric(1, "smartlinks_ingest_lag_bytes") == 0.0, deadline_s=60
    )
    code = system.stop(deadline_s=60)
    misses, stored = in_engine(count, system.data_dir, sent)
    return [*misses, *([f"it ended with {code}"] if code else [])], stored


def in_engine(task: Callable[..., Answer], *arguments: object) -> Answer:
    """Run in a process of its own: one that opened the in-process engine may open no other folder."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(task, *arguments).result()


def fill(warehouse_dir: Path, rows: int) -> None:
    warehouse = open_warehouse(None, folder=warehouse_dir)
    migrate(warehouse)
    make_rows(
        warehouse, rows, tenant="old", link=1_000, links=OLD_LINKS, domain="old.example.com", codes=OLD_CODES
    )
    while refresh(warehouse, datetime.now(UTC), everything=True):
        pass  # as the aggregator had done by then
    warehouse.close()


def count(data_dir: Path, sent: Sent) -> tuple[list[str], int]:
    warehouse = open_warehouse(None, folder=data_dir / "warehouse")
    found = differences(warehouse, sent, data_dir / "spool" / "clicks")
    ((rows,),) = warehouse.query("SELECT count() FROM clicks")
    warehouse.close()
    return found, int(rows)
