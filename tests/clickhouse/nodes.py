"""Two ClickHouse nodes that know each other as the shards of one cluster, and our warehouse on them.

The library that the tests' server is made of runs no replicated tables and no `ON CLUSTER`: a replicated
table stays read-only because nothing sets `interserver_http_port`, and distributed DDL is prohibited. What
the dialect says of either is taken back here: each statement goes to every node by itself, and local tables
are plain ones.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from ingest.clickhouse import ClickHouseWarehouse
from ingest.clickhouse_cluster import CLUSTER_SETTINGS, REPLICA_PATH, ClusterDialect
from tests.fixtures.ports import free_ports
from tests.fixtures.warehouse import CLICKHOUSE, install_clickhouse

CLUSTER = "campaigns"
START_DEADLINE_S = 180
_REPLICATED = re.compile(rf"Replicated(\w*)MergeTree\({re.escape(REPLICA_PATH)}(?:, )?")


class ClusterOfNodes:
    """The warehouse as the first node has it, its statements rendered by the dialect."""

    def __init__(self, urls: list[str], database: str) -> None:
        self.nodes = [ClickHouseWarehouse(url, database) for url in urls]
        for node in self.nodes:
            for name, value in CLUSTER_SETTINGS.items():
                node._client.set_client_setting(name, value)
        self._dialect = ClusterDialect(CLUSTER)

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        for statement in self._dialect.render(sql):
            plain = _REPLICATED.sub(r"\1MergeTree(", statement.replace(f" ON CLUSTER `{CLUSTER}`", ""))
            plain = plain.replace(" replicated_deduplication", " non_replicated_deduplication")
            for node in self.nodes if f"ON CLUSTER `{CLUSTER}`" in statement else self.nodes[:1]:
                node.command(plain, parameters)
        self.nodes[0].forget_types()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.nodes[0], name)


@contextmanager
def two_shards(folder: Path) -> Iterator[list[str]]:
    """The URLs of two nodes, each one shard."""
    install_clickhouse()
    ports = free_ports(4)
    tcp_ports = ports[:2]
    with ExitStack() as stack:
        for number, (tcp_port, port) in enumerate(zip(tcp_ports, ports[2:], strict=True)):
            node = folder / f"node{number}"
            node.mkdir()
            (node / "config.xml").write_text(_config(tcp_ports, number))
            log = stack.enter_context((node / "log").open("wb"))
            library = CLICKHOUSE / "node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"
            command = [sys.executable, str(CLICKHOUSE / "server.py"), str(library), str(node / "data")]
            command += [str(port), str(tcp_port), str(node / "config.xml")]
            server = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
            stack.callback(server.kill)
        urls = [f"http://127.0.0.1:{port}" for port in ports[2:]]
        for url in urls:
            _wait_until_up(url)
        yield urls


def _config(tcp_ports: list[int], number: int) -> str:
    shards = "".join(
        "<shard><internal_replication>true</internal_replication>"
        f"<replica><host>127.0.0.1</host><port>{port}</port></replica></shard>"
        for port in tcp_ports
    )
    return (
        "<clickhouse><logger><level>error</level><console>true</console></logger>"
        f'<remote_servers replace="1"><{CLUSTER}>{shards}</{CLUSTER}></remote_servers>'
        f"<macros><shard>{number}</shard><replica>only</replica></macros></clickhouse>"
    )


def _wait_until_up(url: str) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while True:
        try:
            question = {"query": "SELECT count() FROM system.clusters"}
            if httpx.get(url, params=question, timeout=30).status_code == 200:
                return
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
