"""Where a Redis is and how to log in, read from its URL."""

import ssl
from dataclasses import dataclass, field, replace
from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from edge.servers_url import split_servers_url

CLUSTER_SCHEME: Final = "redis+cluster://"


class RedisURLError(ValueError):
    """The URL can't be used; the text says why, and never repeats the URL, which may hold a password."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A Redis server: by TCP (`host`, `port`, perhaps `tls`) or by a Unix socket (`path`)."""

    host: str = "localhost"
    port: int = 6379
    path: str | None = None
    tls: bool = False
    ca_file: str | None = None
    username: str = "default"
    password: str | None = field(default=None, repr=False)
    database: int = 0

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `redis[s]://[[user]:password@]host[:port][/db]` or `unix://[[user]:password@]/path[?db=n]`.

        `rediss` takes `?ssl_ca_certs=<file>`. Raises `RedisURLError`.
        """
        try:
            return cls._parse(url)
        except RedisURLError:
            raise
        except ValueError:
            raise RedisURLError("a port or a database in it is no number that Redis has") from None

    @classmethod
    def _parse(cls, url: str) -> Self:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise RedisURLError("it begins with redis://, rediss://, redis+cluster:// or unix://")
        known = {"db", "ssl_ca_certs"} if parts.scheme == "rediss" else {"db"}
        if unknown := sorted(options.keys() - known):
            raise RedisURLError(f"the edge does not know the option {unknown[0]}")
        is_unix = parts.scheme == "unix"
        if is_unix and not parts.path:
            raise RedisURLError("unix:// goes on with the socket's path, as in unix:///run/redis.sock")
        database = options.get("db") or ("0" if is_unix else parts.path.strip("/")) or "0"
        return cls(
            host=parts.hostname or "localhost",
            port=parts.port or 6379,
            path=unquote(parts.path) if is_unix else None,
            tls=parts.scheme == "rediss",
            ca_file=options.get("ssl_ca_certs"),
            username=unquote(parts.username or "") or "default",
            password=None if parts.password is None else unquote(parts.password),
            database=int(database),
        )

    def tls_context(self) -> ssl.SSLContext | None:
        """TLS with the server's name and certificate checked; None for a plain connection."""
        return ssl.create_default_context(cafile=self.ca_file) if self.tls else None


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """A Redis Cluster: `seeds` are nodes of it, host and port each; `node` has all else that nodes share."""

    seeds: tuple[tuple[str, int], ...]
    node: RedisAddress

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `redis+cluster://[[user]:password@]host:port,host:port[?tls=true&ssl_ca_certs=<file>]`.

        One node is enough; more of them help while some are down. Raises `RedisURLError`.
        """
        parts = split_servers_url(url)
        options = parts.parameters
        if unknown := sorted(options.keys() - {"tls", "ssl_ca_certs"}):
            raise RedisURLError(f"a cluster has no option {unknown[0]}")
        if options.get("tls", "false") not in {"true", "false"}:
            raise RedisURLError("tls is true or false")
        if parts.path.strip("/"):
            raise RedisURLError("a cluster has no databases to choose from")
        try:
            seeds = tuple(_host_and_port(server) for server in parts.servers.split(","))
        except ValueError:
            raise RedisURLError("is redis+cluster://host:port,host:port") from None
        node = RedisAddress(
            tls=options.get("tls") == "true",
            ca_file=options.get("ssl_ca_certs"),
            username=parts.user or "default",
            password=parts.password,
        )
        return cls(seeds, node)

    def node_at(self, host: str, port: int) -> RedisAddress:
        return replace(self.node, host=host, port=port)


def parse_redis_url(url: str) -> RedisAddress | ClusterAddress:
    """Raises `RedisURLError`."""
    return ClusterAddress.parse(url) if url.startswith(CLUSTER_SCHEME) else RedisAddress.parse(url)


def _host_and_port(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    if not host or not 0 < int(port) < 65_536:
        raise ValueError(server)
    return host.strip("[]"), int(port)
