"""What one worker needs to know.

The parent checks all settings and sends these as one line of JSON, so that a worker starts without loading
what checks them, and its Redis password stands in no command line.
"""

import ipaddress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import orjson

from edge.address import Network


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """A worker listens on `host` and `port` beside others, and writes a source of its own in `spool_dir`."""

    redis_url: str
    spool_dir: Path
    host: str
    port: int
    default_domain: str
    trusted_proxies: tuple[Network, ...] = ()

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, line: bytes) -> Self:
        fields = orjson.loads(line)
        fields["spool_dir"] = Path(fields["spool_dir"])
        fields["trusted_proxies"] = tuple(map(ipaddress.ip_network, fields["trusted_proxies"]))
        return cls(**fields)
