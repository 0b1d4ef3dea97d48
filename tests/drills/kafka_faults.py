"""Three brokers: leaders die one after the other, and then all are away for minutes."""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

import psutil
from aiokafka.errors import KafkaError

from ingest.kafka.address import CLICKS_TOPIC
from loadtests.constant_rate import Offered, offer_from_load_core
from loadtests.neighbours import SERVER_CORE
from tests.drills.clients import Crowd, clicking
from tests.drills.exact import Sent
from tests.drills.processes import CROWD_RATE, SPOOLS, counts, told
from tests.drills.report import Outcome
from tests.drills.site import DRAIN_S, PATH, Site, running_site
from tests.fixtures.system import wait_until
from tests.kafka.leaders import PartitionState, read_states

BROKERS: Final = 3
SLOWER_AT_MOST: Final = 1.2
GROWN_AT_MOST_BYTES: Final = 32 * 1024 * 1024
RATE: Final = 1_000.0
LOT_S: Final = 5.0
BACKLOG: Final = "smartlinks_shipper_backlog_bytes"


def kill_leaders(folder: Path, *, kills: int = 5) -> Outcome:
    """Whoever leads most partitions dies; it comes back once the others have stored more."""
    with running_site(folder, brokers=BROKERS) as site:
        with (
            clicking(site.system.edge_port, [PATH]) as clients,
            Crowd(site.spool_dir, spools=SPOOLS, rate=CROWD_RATE) as crowd,
        ):
            for _ in range(kills):
                wait_until("all in sync", lambda: _all_in_sync(site), deadline_s=120)
                site.await_progress(more=500)
                leaders = Counter(state.leader for state in _states(site).values())
                ((leader, _),) = leaders.most_common(1)
                site.kafka.brokers[leader - 1].kill()
                site.await_progress(more=2_000, deadline_s=60)
                site.kafka.start()
        sent = told(clients, crowd)
        misses = site.settle(sent)
        return Outcome(f"{kills} leaders killed; {counts(site, sent)}", misses)


def stop_all_brokers(folder: Path, *, usual_lots: int = 8, down_s: float = 180.0) -> Outcome:
    """Redirects at a constant rate, in lots, with Kafka and without; medians, for other things stir, too."""
    with running_site(folder, brokers=BROKERS) as site:
        _make_way(site)
        warm = _offer(site)
        usual = [_offer(site) for _ in range(usual_lots)]
        before = _resident_bytes(site)
        site.kafka.kill()
        down = list(_offer_until(site, time.monotonic() + down_s))
        grown = _resident_bytes(site) - before
        backlog = site.metric("ingest.shipper", BACKLOG) or 0
        site.kafka.start()
        began_s = time.monotonic()
        offered = [warm, *usual, *down]
        answered = sum(each.requests for each in offered)
        wait_until("all stored", lambda: site.stored() >= answered, deadline_s=DRAIN_S)
        wait_until("a drained spool", lambda: site.metric("ingest.shipper", BACKLOG) == 0)
        drained_s = time.monotonic() - began_s
        misses = list(site.settle(Sent()))
        if site.stored() != answered or any(each.failed for each in offered):
            misses.append(f"{site.stored():,} rows of {answered:,} answered, {offered}")
        usual_ms, down_ms = (median(each.p99_ms for each in lots) for lots in (usual, down))
        if down_ms > SLOWER_AT_MOST * usual_ms:
            misses.append(f"p99 was {down_ms / usual_ms:.2f} times as long")
        if grown > GROWN_AT_MOST_BYTES:
            misses.append(f"edge and shipper grew by {grown:,} bytes")
        came = (
            f"down for {down_s:.0f} s, p99 {down_ms:.2f} ms (median of {len(down)} lots of {LOT_S:.0f} s at"
            f" {RATE:.0f}/s) beside {usual_ms:.2f} (of {len(usual)}) before, edge and shipper grew by"
            f" {grown / 2**20:.0f} MiB, {backlog / 2**20:.0f} MiB of spool stored {drained_s:.0f} s after;"
            f" {answered:,} times 302, {site.stored():,} rows"
        )
        return Outcome(came, tuple(misses))


def _offer_until(site: Site, ends_s: float) -> Iterator[Offered]:
    while time.monotonic() < ends_s:
        yield _offer(site)


def _offer(site: Site) -> Offered:
    codes = site.system.data_dir / "codes"
    codes.write_text(PATH[1:])
    return offer_from_load_core(site.system.edge_port, codes, rate=RATE, seconds=LOT_S)


def _states(site: Site) -> dict[int, PartitionState]:
    return asyncio.run(read_states(site.system.extra_env["SMARTLINKS_EVENTS_URL"], CLICKS_TOPIC))


def _all_in_sync(site: Site) -> bool:
    with contextlib.suppress(KafkaError):
        return all(len(state.in_sync) == BROKERS for state in _states(site).values())
    return False


def _make_way(site: Site) -> None:
    """The edge has a core; what would be on other machines takes what nobody wants."""
    for worker in site.programs.process("edge").children():
        worker.cpu_affinity([int(SERVER_CORE)])
    others = [site.clickhouse.pid, *(broker.pid for broker in site.kafka.brokers)]
    others += [site.programs.process(name).pid for name in ("ingest", "aggregator")]
    for pid in others:
        for thread in psutil.Process(pid).threads():
            os.setpriority(os.PRIO_PROCESS, thread.id, 19)


def _resident_bytes(site: Site) -> int:
    edge = site.programs.process("edge")
    return sum(each.memory_info().rss for each in (*edge.children(), site.programs.process("ingest.shipper")))
