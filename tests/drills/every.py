"""All drills, in the order in which they are run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.drills import kafka_faults, members, processes, warehouse
from tests.drills.report import Outcome


@dataclass(frozen=True, slots=True)
class Drill:
    """`run` has the long form's counts as its defaults; it gets an empty folder."""

    name: str
    promised: str
    run: Callable[[Path], Outcome]


DRILLS: Final = (
    Drill(
        "ingest",
        "kill -9 of ingest after fetch, before, during and after insert, after commit: exact",
        processes.kill_ingest,
    ),
    Drill("shipper", "kill -9 of the shipper: exact", processes.kill_shipper),
    Drill("workers", "kill -9 of the edge's workers: exact; back within 2 s", processes.kill_workers),
    Drill("kafka-leaders", "the leader of three brokers killed: exact", kafka_faults.kill_leaders),
    Drill(
        "kafka-outage",
        "all brokers down: redirects' p99 within 1.2 times, memory bounded, the spool drained after; exact",
        kafka_faults.stop_all_brokers,
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
    ),
    Drill("warehouse-disk", "the warehouse's disk full: exact once there is room", warehouse.fill_disk),
)
