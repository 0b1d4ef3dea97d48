"""The warehouse as a ClickHouse server or cluster over HTTP."""

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import clickhouse_connect

from ingest.clickhouse_session import ClickHouseSession, mapped_errors

if TYPE_CHECKING:
    from ingest.warehouse import Warehouse

CONNECT_TIMEOUT_S: Final = 5
ANSWER_TIMEOUT_S: Final = 60


class ClickHouseWarehouse(ClickHouseSession):
    """`Warehouse` at `http://user:password@host:8123` or `https://`. Its client's pool serves all threads.

    Raises `WarehouseUnavailableError` where nothing answers.
    """

    def __init__(self, url: str, database: str) -> None:
        with mapped_errors():
            client = clickhouse_connect.get_client(
                dsn=url,
                interface=urlsplit(url).scheme,
                tz_mode="aware",
                # Without a session, statements of many threads may run at once.
                autogenerate_session_id=False,
                connect_timeout=CONNECT_TIMEOUT_S,
                send_receive_timeout=ANSWER_TIMEOUT_S,
            )
        super().__init__(client, database)


if TYPE_CHECKING:

    def _fits(warehouse: ClickHouseWarehouse) -> Warehouse:
        return warehouse
