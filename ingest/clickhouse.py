"""The warehouse as a ClickHouse server or cluster over HTTP."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import clickhouse_connect

from ingest.clickhouse_cluster import CLUSTER_SETTINGS, ClusterDialect
from ingest.clickhouse_session import ClickHouseSession, mapped_errors
from ingest.clickhouse_url import ClickHouseUrl

if TYPE_CHECKING:
    from ingest.warehouse import Warehouse

CONNECT_TIMEOUT_S: Final = 5
ANSWER_TIMEOUT_S: Final = 60


class ClickHouseWarehouse(ClickHouseSession):
    """`Warehouse` at `http://user:password@host:8123` or `https://`. Its client's pool serves all threads.

    With `?cluster=name` it is the cluster that the server knows by this name, whichever of its nodes the URL
    names; `?compress=lz4` or `none` says how inserts travel (`clickhouse_url.py`). Raises
    `WarehouseUnavailableError` where nothing answers, `WarehouseError` where the URL is no good.
    """

    def __init__(self, url: str, database: str) -> None:
        address = ClickHouseUrl.parse(url)
        cluster = address.cluster
        self._dialect = None if cluster is None else ClusterDialect(cluster)
        with mapped_errors():
            client = clickhouse_connect.get_client(
                dsn=address.dsn,
                interface=urlsplit(address.dsn).scheme,
                settings={} if cluster is None else dict(CLUSTER_SETTINGS),
                tz_mode="aware",
                # Without a session, statements of many threads may run at once.
                autogenerate_session_id=False,
                connect_timeout=CONNECT_TIMEOUT_S,
                send_receive_timeout=ANSWER_TIMEOUT_S,
            )
        super().__init__(client, database, cluster=cluster, compression=address.compression)

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """See `Warehouse.command`. On a cluster it reaches every node."""
        for statement in [sql] if self._dialect is None else self._dialect.render(sql):
            super().command(statement, parameters)


if TYPE_CHECKING:

    def _fits(warehouse: ClickHouseWarehouse) -> Warehouse:
        return warehouse
