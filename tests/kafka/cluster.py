"""A real Apache Kafka on 127.0.0.1: one broker, or three with replication, in KRaft mode and without Docker.

Its jars need Java 17.
"""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.fixtures.ports import free_ports
from tests.maven_jars import fetch_jars

START_DEADLINE_S: Final = 180
CLUSTER_ID: Final = "c21hcnRsaW5rcy10ZXN0cw"
JVM_OPTIONS: Final = (
    *("-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"),
    "-Dorg.apache.logging.log4j.level=WARN",
)
POM: Final = Path(__file__).with_name("pom.xml")

# Small and quick: one partition of offsets, no waiting for more consumers, a dead one is noticed in seconds.
PROPERTIES: Final = """
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=2
log.cleaner.enable=false
default.replication.factor={replication}
min.insync.replicas={min_insync}
offsets.topic.replication.factor={replication}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor={replication}
transaction.state.log.min.isr={min_insync}
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
replica.lag.time.max.ms=3000
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
"""


class Broker:
    """One broker, which is a controller too. `kill` and `start` keep its folder and its ports."""

    def __init__(self, node: int, folder: Path, port: int, controller_port: int) -> None:
        self.node = node
        self.port = port
        self.controller_port = controller_port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"broker {self.node} is down"
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None

    def prepare(self, voters: str, *, replication: int, min_insync: int) -> None:
        """Write its configuration and format its folder."""
        data = self._folder / "data"
        data.mkdir(parents=True)
        ids = f"version=1\ncluster.id={CLUSTER_ID}\nnode.id={self.node}\n"
        (data / "meta.properties").write_text(ids)
        properties = PROPERTIES.format(
            node=self.node,
            voters=voters,
            port=self.port,
            controller_port=self.controller_port,
            data=data,
            replication=replication,
            min_insync=min_insync,
        )
        (self._folder / "server.properties").write_text(properties)

    def launch(self, jars: Path) -> None:
        """Start without waiting."""
        assert self._process is None, f"broker {self.node} runs already"
        command = ["java", *JVM_OPTIONS, "-cp", f"{jars}/*", "kafka.Kafka", "server.properties"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def wait_until_open(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._is_open():
            assert self._process is not None
            assert self._process.poll() is None, self._log_tail()
            assert time.monotonic() < deadline, f"broker {self.node} does not listen\n{self._log_tail()}"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it without warning, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stop its clock: connections stay open and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _is_open(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _log_tail(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-3000:]


class KafkaCluster:
    """One broker, or three with replication 3 and `min.insync.replicas` 2. Raises `JarsUnavailableError`."""

    def __init__(self, folder: Path, *, brokers: int = 1) -> None:
        self._jars = fetch_jars(POM, name="kafka", needs=("java",))
        ports = free_ports(2 * brokers)
        self.brokers = [
            Broker(node, folder / f"broker{node}", ports.pop(), ports.pop()) for node in range(1, brokers + 1)
        ]
        voters = ",".join(f"{broker.node}@127.0.0.1:{broker.controller_port}" for broker in self.brokers)
        for broker in self.brokers:
            broker.prepare(voters, replication=min(3, brokers), min_insync=2 if brokers >= 3 else 1)

    @property
    def servers(self) -> str:
        """`host:port,host:port`."""
        return ",".join(f"127.0.0.1:{broker.port}" for broker in self.brokers)

    @property
    def url(self) -> str:
        return f"kafka://{self.servers}"

    def start(self) -> None:
        """Start every broker that is down, and wait until all listen."""
        for broker in self.brokers:
            if not broker.runs:
                broker.launch(self._jars)
        for broker in self.brokers:
            broker.wait_until_open()

    def kill(self) -> None:
        """End every broker without warning."""
        for broker in self.brokers:
            broker.kill()


@contextmanager
def kafka_cluster(folder: Path, *, brokers: int = 1) -> Iterator[KafkaCluster]:
    """A running cluster in `folder`. Raises `JarsUnavailableError`."""
    cluster = KafkaCluster(folder, brokers=brokers)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()
