"""The warehouse as a ClickHouse server or cluster over HTTP."""

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from ingest.clickhouse_cluster import CLUSTER_SETTINGS, ClusterDialect
from ingest.clickhouse_session import ClickHouseSession, mapped_errors, run_job
from ingest.clickhouse_url import ClickHouseUrl

if TYPE_CHECKING:
    from ingest.warehouse import Warehouse

CONNECT_TIMEOUT_S: Final = 5
ANSWER_TIMEOUT_S: Final = 60
# A server that is gone is noticed by TCP, within two minutes.
JOB_TIMEOUT_S: Final = 24 * 3600


class ClickHouseWarehouse(ClickHouseSession):
    """`Warehouse` at `http://user:password@host:8123` or `https://`. Its client's pool serves all threads.

    With `?cluster=name` it is the cluster that the server knows by this name, whichever of its nodes the URL
    names; `?compress=lz4` or `none` says how inserts travel (`clickhouse_url.py`). Raises
    `WarehouseUnavailableError` where nothing answers, `WarehouseError` where the URL is no good.
    """

    def __init__(self, url: str, database: str) -> None:
        self._address = address = ClickHouseUrl.parse(url)
        self._dialect = None if address.cluster is None else ClusterDialect(address.cluster)
        with mapped_errors():
            client = self._open_client(ANSWER_TIMEOUT_S)
        super().__init__(client, database, cluster=address.cluster, compression=address.compression)

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """See `Warehouse.command`. On a cluster it reaches every node."""
        for statement in [sql] if self._dialect is None else self._dialect.render(sql):
            super().command(statement, parameters)

    def run_job(self, job: str, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """See `Warehouse.run_job`. By a client of its own, since a client's patience can't be set by call."""
        with mapped_errors(), closing(self._open_client(JOB_TIMEOUT_S)) as client:
            client.database = self._client.database
            run_job(client, job, sql, parameters)

    def _open_client(self, answer_timeout_s: int) -> Client:
        dsn = self._address.dsn
        return clickhouse_connect.get_client(
            dsn=dsn,
            interface=urlsplit(dsn).scheme,
            settings={} if self._dialect is None else dict(CLUSTER_SETTINGS),
            tz_mode="aware",
            # Without a session, statements of many threads may run at once.
            autogenerate_session_id=False,
            connect_timeout=CONNECT_TIMEOUT_S,
            send_receive_timeout=answer_timeout_s,
        )


if TYPE_CHECKING:

    def _fits(warehouse: ClickHouseWarehouse) -> Warehouse:
        return warehouse
