"""Members of the group come, go and are killed at every point: each click is stored once, however often sent.

Eight partitions, repeats as a shipper makes them, an event that is no click now and then, all under load.
"""

import itertools
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ingest.contract import Warehouse
from ingest.shipper.partitions import choose_partition
from tests.fixtures.system import ROOT, wait_until
from tests.ingest.click_events import click_json
from tests.ingest.ingest_program import POINTS
from tests.kafka.cluster import KafkaCluster
from tests.kafka.feeder import KafkaFeeder

pytestmark = [pytest.mark.drill, pytest.mark.needs_kafka]

PARTITIONS = 8
SOURCES = range(101, 113)
LOT = 60
AHEAD = 50 * LOT * len(SOURCES)
MONTH_END_MS = 1_790_812_800_000  # 2026-10-01


class Stream:
    """Sends clicks of all sources, some twice, and knows what should be stored."""

    def __init__(self, url: str) -> None:
        self._feeder = KafkaFeeder(url)
        self.sent = dict.fromkeys(SOURCES, 0)
        self.dead = 0
        self._lots = itertools.count()

    def feed(self) -> None:
        """A lot of each source. Every third is sent with the end of the lot before in front of it, again."""
        values: dict[int, list[bytes]] = {number: [] for number in range(PARTITIONS)}
        again = LOT // 2 if next(self._lots) % 3 == 2 else 0
        for source, sent in self.sent.items():
            home = values[choose_partition(str(source), PARTITIONS)]
            first = max(1, sent + 1 - again)
            home += [_click(source, seq) for seq in range(first, sent + LOT + 1)]
            self.sent[source] = sent + LOT
        values[0].append(b"{}")
        self.dead += 1
        self._feeder.send(values)

    @property
    def total(self) -> int:
        return sum(self.sent.values())

    def close(self) -> None:
        self._feeder.close()


def _click(source: int, seq: int) -> bytes:
    return click_json(source=source, seq=seq, ts=MONTH_END_MS + (seq - 700) * 1_000, link=1 + seq % 7)


class Group:
    """The group's members as processes, on one warehouse."""

    def __init__(self, folder: Path, events_url: str, warehouse_url: str, warehouse: Warehouse) -> None:
        ((database,),) = warehouse.query("SELECT currentDatabase()")
        self._arguments = [str(folder), events_url, warehouse_url, str(database)]
        self._folder = folder
        self._stack = ExitStack()
        self._numbers = itertools.count()
        self.warehouse = warehouse

    def join(self, point: str = "none", nth: int = 1) -> "subprocess.Popen[bytes]":
        log = self._stack.enter_context((self._folder / f"member{next(self._numbers)}.log").open("wb"))
        command = [sys.executable, "-m", "tests.ingest.kafka_ingest_program", *self._arguments]
        member = subprocess.Popen([*command, point, str(nth)], cwd=ROOT, stdout=log, stderr=log)
        self._stack.callback(member.wait)
        self._stack.callback(member.kill)
        return member

    def stored(self) -> int:
        """How many clicks the rows and the rollup have; the rollup is written a moment later."""
        ((count,),) = self.warehouse.query(
            "SELECT least((SELECT count() FROM clicks), (SELECT sum(clicks) FROM click_sources))"
        )
        return int(count)

    def logs(self) -> str:
        return "\n".join(path.read_text()[-1500:] for path in sorted(self._folder.glob("member*.log")))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def make_group(
    tmp_path: Path, clickhouse_url: str, clickhouse: Warehouse
) -> Iterator[Callable[[str], Group]]:
    with ExitStack() as stack:

        def make(events_url: str) -> Group:
            group = Group(tmp_path, events_url, clickhouse_url, clickhouse)
            stack.callback(group.close)
            return group

        yield make


@pytest.fixture
def make_stream() -> Iterator[Callable[[str], Stream]]:
    with ExitStack() as stack:

        def make(events_url: str) -> Stream:
            stream = Stream(events_url)
            stack.callback(stream.close)
            return stream

        yield make


def assert_counted_once(group: Group, stream: Stream) -> None:
    wait_until("all is stored", lambda: group.stored() >= stream.total)
    ask = group.warehouse.query
    rows = ask("SELECT source, count(), uniqExact(seq), max(seq) FROM clicks GROUP BY source ORDER BY source")
    assert rows == [(source, sent, sent, sent) for source, sent in stream.sent.items()], group.logs()
    rollup = ask(
        "SELECT source, sum(clicks), max(last_seq) FROM click_sources GROUP BY source ORDER BY source"
    )
    assert rollup == [(source, sent, sent) for source, sent in stream.sent.items()]
    wait_until("dead letters", lambda: ask("SELECT count() FROM dead_letters FINAL")[0][0] == stream.dead)


def test_members_killed_at_every_point(
    kafka_url: str, make_group: Callable[[str], Group], make_stream: Callable[[str], Stream]
) -> None:
    url = f"{kafka_url}&partitions={PARTITIONS}"
    stream, group = make_stream(url), make_group(url)
    group.join()
    for number, point in enumerate(POINTS):
        mortal = group.join(point, 1 + number % 3)

        def died(mortal: "subprocess.Popen[bytes]" = mortal) -> bool:
            if stream.total < group.stored() + AHEAD:  # a slow machine must not be left with hours of work
                stream.feed()
            return mortal.poll() is not None

        wait_until(f"death at {point}", died)
        assert mortal.returncode == -signal.SIGKILL, group.logs()
    assert_counted_once(group, stream)


def test_members_come_and_go_and_one_is_paused_past_its_session(
    kafka_url: str, make_group: Callable[[str], Group], make_stream: Callable[[str], Stream]
) -> None:
    url = f"{kafka_url}&partitions={PARTITIONS}"
    stream, group = make_stream(url), make_group(url)
    paused, *others = [group.join() for _ in range(2)]

    def move_on(lots: int) -> None:
        before = group.stored()
        for _ in range(lots):
            stream.feed()
        wait_until("progress", lambda: group.stored() > before)

    move_on(3)
    paused.send_signal(signal.SIGSTOP)
    stream.feed()
    # Its session ends, and others take its partitions while it thinks it has them.
    wait_until("all is stored without it", lambda: group.stored() >= stream.total)
    move_on(3)
    paused.send_signal(signal.SIGCONT)
    others.append(group.join())
    move_on(3)
    others[0].terminate()
    assert others[0].wait(180) == 0
    move_on(3)
    assert_counted_once(group, stream)


def test_a_broker_killed_and_started_again(
    new_kafka: Callable[[int], KafkaCluster],
    make_group: Callable[[str], Group],
    make_stream: Callable[[str], Stream],
) -> None:
    cluster = new_kafka(1)
    url = f"{cluster.url}?partitions={PARTITIONS}"
    stream, group = make_stream(url), make_group(url)
    members = [group.join() for _ in range(2)]
    for _ in range(2):
        stream.feed()
        wait_until("the first clicks", lambda: group.stored() > 0)
        stream.feed()
        cluster.kill()
        cluster.start()
    stream.feed()
    assert_counted_once(group, stream)
    assert [member.poll() for member in members] == [None, None], group.logs()
