"""All drills, in the order in which they are run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.drills import (
    clock,
    erasure,
    full_disk,
    kafka_faults,
    members,
    one_machine,
    poison,
    processes,
    renames,
    suites,
    warehouse,
)
from tests.drills.report import Outcome


@dataclass(frozen=True, slots=True)
class Drill:
    """`run` has the long form's counts as its defaults; it gets an empty folder.

    One that `is_timed` promises seconds, too, and would miss them beside another one.
    """

    name: str
    promised: str
    run: Callable[[Path], Outcome]
    is_timed: bool = False


DRILLS: Final = (
    Drill(
        "ingest",
        "kill -9 of ingest after fetch, before, during and after insert, after commit: exact",
        processes.kill_ingest,
    ),
    Drill(
        "renames-ingest",
        "kill -9 of ingest at each rename that it makes, of plans, positions and parts: exact",
        renames.kill_ingest_at_renames,
    ),
    Drill(
        "renames-analytics",
        "kill -9 of the one-machine analytics at renames, while links are made: exact, no link or code lost",
        renames.kill_analytics_at_renames,
    ),
    Drill("shipper", "kill -9 of the shipper: exact", processes.kill_shipper),
    Drill(
        "workers",
        "kill -9 of the edge's workers: exact; back within 2 s",
        processes.kill_workers,
        is_timed=True,
    ),
    Drill(
        "analytics",
        "kill -9 of the one-machine analytics over 10,000,000 rows: exact; back within 5 s",
        one_machine.kill_analytics,
        is_timed=True,
    ),
    Drill(
        "replies", "the replies of inserts cut after the server did them: exact", suites.cut_insert_replies
    ),
    Drill("kafka-leaders", "the leader of three brokers killed: exact", kafka_faults.kill_leaders),
    Drill(
        "kafka-outage",
        "all brokers down: redirects' p99 within 1.2 times, memory bounded, the spool drained after; exact",
        kafka_faults.stop_all_brokers,
        is_timed=True,
    ),
    Drill(
        "kafka-sequence",
        "a sequence error forced: the producer rebuilt within 5 s, nothing lost",
        suites.sequence_error,
        is_timed=True,
    ),
    Drill(
        "members",
        "members of the group added, ended and killed: exact; no partition silent for 30 s",
        members.change_members,
    ),
    Drill("warehouse-kills", "kill -9 of the warehouse: exact", warehouse.kill_warehouse),
    Drill(
        "warehouse-pauses",
        "the warehouse paused: exact; the lag drains at twice the arrival rate",
        warehouse.pause_warehouse,
        is_timed=True,
    ),
    Drill(
        "warehouse-disk",
        "the warehouse's disk full: exact once there is room, and broken merges mended",
        full_disk.fill_warehouse_disk,
    ),
    Drill(
        "machine-disk",
        "the one disk of a whole machine full: no redirect fails, each click lost is told of, the rest exact",
        full_disk.fill_machine_disk,
    ),
    Drill(
        "redis-cluster",
        "a master killed, slots moved, under load: no wrong destination, no 404",
        suites.redis_cluster,
    ),
    Drill(
        "poison",
        "one event in a thousand is no click: the count of dead letters exact, the replay too",
        poison.poison,
    ),
    Drill(
        "clock",
        "the clock jumps an hour either way, nights of DST, 29 February, clicks 48 h late: windows right",
        clock.jump,
    ),
    Drill(
        "erasure",
        "a person erased among 10,000,000 rows under load: gone everywhere, nothing else is; balanced",
        erasure.erase,
        is_timed=True,
    ),
)
