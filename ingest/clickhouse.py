"""The warehouse as a ClickHouse server or cluster over HTTP."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import clickhouse_connect

from ingest.clickhouse_cluster import CLUSTER_SETTINGS, ClusterDialect
from ingest.clickhouse_session import ClickHouseSession, mapped_errors

if TYPE_CHECKING:
    from ingest.warehouse import Warehouse

CONNECT_TIMEOUT_S: Final = 5
ANSWER_TIMEOUT_S: Final = 60


class ClickHouseWarehouse(ClickHouseSession):
    """`Warehouse` at `http://user:password@host:8123` or `https://`. Its client's pool serves all threads.

    With `?cluster=name` it is the cluster that the server knows by this name, whichever of its nodes the URL
    names. Raises `WarehouseUnavailableError` where nothing answers.
    """

    def __init__(self, url: str, database: str) -> None:
        url, cluster = split_cluster(url)
        self._dialect = None if cluster is None else ClusterDialect(cluster)
        with mapped_errors():
            client = clickhouse_connect.get_client(
                dsn=url,
                interface=urlsplit(url).scheme,
                settings={} if cluster is None else dict(CLUSTER_SETTINGS),
                tz_mode="aware",
                # Without a session, statements of many threads may run at once.
                autogenerate_session_id=False,
                connect_timeout=CONNECT_TIMEOUT_S,
                send_receive_timeout=ANSWER_TIMEOUT_S,
            )
        super().__init__(client, database, cluster=cluster)

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """See `Warehouse.command`. On a cluster it reaches every node."""
        for statement in [sql] if self._dialect is None else self._dialect.render(sql):
            super().command(statement, parameters)


def split_cluster(url: str) -> tuple[str, str | None]:
    """The URL without its `cluster` parameter, and that. Pure."""
    parts = urlsplit(url)
    parameters = parse_qsl(parts.query)
    rest = [(name, value) for name, value in parameters if name != "cluster"]
    cluster = next((value for name, value in parameters if name == "cluster" and value), None)
    return parts._replace(query=urlencode(rest)).geturl(), cluster


if TYPE_CHECKING:

    def _fits(warehouse: ClickHouseWarehouse) -> Warehouse:
        return warehouse
