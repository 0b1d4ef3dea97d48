"""Smart Links as on many machines, every program a process of its own, between real neighbours, all here.

Redis, Kafka (one broker or three), a ClickHouse over HTTP; edge, shipper, ingest, aggregator.
"""

import asyncio
import contextlib
import http.client
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from aggregator.contract import read_ledger
from edge.contract import EdgeLink, open_link_store
from ingest.contract import Warehouse, WarehouseUnavailableError, open_warehouse
from tests.drills.exact import Sent, differences
from tests.fixtures.ports import free_ports
from tests.fixtures.programs import METRICS_PORTS, Programs
from tests.fixtures.redis import RedisServer
from tests.fixtures.system import System, ask, wait_until
from tests.fixtures.warehouse import clickhouse_server
from tests.kafka.cluster import KafkaCluster, kafka_cluster

PATH = "/own12345"
PARTITIONS = 8
DRAIN_S = 240.0


class ClickHouse:
    """A server that is killed, paused and started again on its folder and port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self._port,) = free_ports(1)
        self._stack = ExitStack()
        self.start()

    @property
    def pid(self) -> int:
        return self._server.pid

    def start(self) -> None:
        """Start and wait until it listens."""
        self.url, self._server = self._stack.enter_context(clickhouse_server(self._folder, self._port))

    def kill(self) -> None:
        self._server.kill()
        self._server.wait()
        self._stack.close()

    def pause(self) -> None:
        """Stop its clock: connections stay open and nothing is answered."""
        self._server.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._server.send_signal(signal.SIGCONT)


class Site:
    """The running programs. `programs` starts and kills them by name."""

    def __init__(
        self,
        system: System,
        programs: Programs,
        redis: RedisServer,
        kafka: KafkaCluster,
        clickhouse: ClickHouse,
    ) -> None:
        self.system = system
        self.programs = programs
        self.redis = redis
        self.kafka = kafka
        self.clickhouse = clickhouse
        self.spool_dir = system.data_dir / "spool" / "clicks"
        self._warehouse: Warehouse | None = None

    @property
    def warehouse(self) -> Warehouse:
        """Ours, beside the programs'."""
        if self._warehouse is None:
            self._warehouse = open_warehouse(self.clickhouse.url, folder=self.system.data_dir)
        return self._warehouse

    def stored(self) -> int:
        """How many clicks there are in the rows; 0 while the warehouse can't say."""
        with contextlib.suppress(WarehouseUnavailableError):
            return int(str(self.warehouse.query("SELECT count() FROM clicks")[0][0]))
        return 0

    def metric(self, program: str, name: str) -> float | None:
        """The sum of a program's samples of this name; None while it does not answer, or has none."""
        try:
            _, text = ask(self.system.metrics_port + METRICS_PORTS[program], "/metrics", timeout_s=5.0)
        except (OSError, http.client.HTTPException):
            return None
        families = text_string_to_metric_families(text)
        found = [each.value for family in families for each in family.samples if each.name == name]
        return sum(found) if found else None

    def await_progress(self, *, more: int = 1, deadline_s: float = 120.0) -> None:
        """Wait until more clicks are stored than now."""
        before = self.stored()
        wait_until(
            f"{more} more clicks stored", lambda: self.stored() >= before + more, deadline_s=deadline_s
        )

    def await_drained(self, sent: Sent) -> None:
        """Wait until nothing is on its way from spool to rows and dead letters."""

        def is_drained() -> bool:
            with contextlib.suppress(WarehouseUnavailableError):
                if self.stored() < sent.clicks:
                    return False
                ledger = read_ledger(self.warehouse, self.spool_dir)
                letters = ledger.letters_open + ledger.letters_replayed
                return ledger.account.on_the_way == 0 and letters >= len(sent.poisoned)
            return False

        wait_until("everything stored", is_drained, deadline_s=DRAIN_S)

    def settle(self, sent: Sent) -> tuple[str, ...]:
        """Wait for what is on its way, end the programs, and tell what is not exact."""
        self.await_drained(sent)
        codes = {name: code for name, code in self.programs.stop().items() if code}
        refused = [f"{name} ended with {code}" for name, code in codes.items()]
        return (*refused, *differences(self.warehouse, sent, self.spool_dir))


@contextmanager
def running_site(
    folder: Path, *, brokers: int = 1, clickhouse_folder: Path | None = None, without: tuple[str, ...] = ()
) -> Iterator[Site]:
    """A site with one link, whose code is `PATH`; programs in `without` are not started."""
    with ExitStack() as stack:
        redis_folder = folder / "redis"
        redis_folder.mkdir()
        redis = RedisServer(redis_folder)
        redis.start()
        stack.callback(redis.stop)
        asyncio.run(_put_link(redis.tcp_url))
        kafka = stack.enter_context(kafka_cluster(folder / "kafka", brokers=brokers))
        clickhouse = ClickHouse(clickhouse_folder or folder)
        stack.callback(clickhouse.kill)
        edge_port, api_port, metrics_port, *_ = free_ports(2 + len(METRICS_PORTS))
        urls = {
            "SMARTLINKS_REDIS_URL": redis.tcp_url,
            "SMARTLINKS_EVENTS_URL": f"{kafka.url}?partitions={PARTITIONS}",
            "SMARTLINKS_CLICKHOUSE_URL": clickhouse.url,
            "SMARTLINKS_DEFAULT_DOMAIN": "localhost",
        }
        system = System(folder / "var", edge_port, api_port, metrics_port, extra_env=urls)
        programs = Programs(folder, system.environment(), metrics_port)
        stack.callback(programs.close)
        wanted = [name for name in ("aggregator", "edge", "ingest.shipper", "ingest") if name not in without]
        programs.start("aggregator")  # makes the tables
        programs.wait_ready("aggregator")
        for name in wanted[1:]:
            programs.start(name)
        programs.wait_ready(*wanted[1:])
        site = Site(system, programs, redis, kafka, clickhouse)
        yield site
        if site._warehouse is not None:
            site._warehouse.close()


async def _put_link(redis_url: str) -> None:
    store = open_link_store(redis_url)
    link = EdgeLink(1, "acme", PATH[1:], "", b"https://shop.example.com/landing")
    await store.put_link("lnk_1", 1, link, b"{}")
    await store.claim_codes("", [link.code], 1)
    await store.mark_whole(1)
    await store.close()
