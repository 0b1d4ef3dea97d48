"""What the URL of a ClickHouse says: where it is, as what cluster, and how inserts travel. Pure."""

import ipaddress
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from ingest.warehouse import WarehouseError

Compression = Literal["lz4", "none"]
_COMPRESSIONS: Final[dict[str, Compression]] = {"lz4": "lz4", "none": "none"}


@dataclass(frozen=True, slots=True)
class ClickHouseUrl:
    """`dsn` is the URL without the parameters that are ours: `cluster`, and `compress` for inserts' bodies.

    Where nothing is said, bodies are compressed unless the host is this machine: LZ4 makes a fifth of them
    for little CPU, which is worth it on a network and not on loopback.
    """

    dsn: str
    cluster: str | None
    compression: Compression

    @classmethod
    def parse(cls, url: str) -> "ClickHouseUrl":
        """Raises `WarehouseError` where `compress` is neither `lz4` nor `none`."""
        parts = urlsplit(url)
        parameters = dict(parse_qsl(parts.query))
        cluster = parameters.pop("cluster", None)
        wished = parameters.pop("compress", "none" if _is_loopback(parts.hostname or "") else "lz4")
        compression = _COMPRESSIONS.get(wished)
        if compression is None:
            raise WarehouseError(f"the ClickHouse URL has compress={wished}: it may be lz4 or none")
        return cls(parts._replace(query=urlencode(parameters)).geturl(), cluster, compression)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
