"""redis-py's connections to one Redis server or to a cluster, and our own deadline and errors around them."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff, NoBackoff
from redis.exceptions import RedisError

from edge.linkstore import LinkStoreUnavailableError
from edge.redis_address import CLUSTER_SCHEME, ClusterAddress

TIMEOUT_S: Final = 2
DEADLINE_S: Final = 3  # of commands with their second try
CONNECTIONS: Final = 16
CLUSTER_TRIES: Final = 3
CLUSTER_PAUSE_S: Final = 0.1

Command = tuple[bytes | int, ...]


class RedisConnection:
    """Sends commands. On a cluster each command's keys stand in one slot. Owns its connections."""

    def __init__(self, client: Any) -> None:
        self._client = client  # redis-py types its commands as sync or async, whichever
        self._running: set[asyncio.Task[list[Any]]] = set()

    async def run(self, commands: Sequence[Command], *, atomic: bool = False) -> list[Any]:
        """Replies to the commands, sent in one write a node; with `atomic` as one transaction of one server.

        Raises `LinkStoreUnavailableError`. A caller that is cancelled or has waited long enough leaves its
        commands running: a connection given back with a reply under way would hand that reply to the next
        caller.
        """
        task = asyncio.create_task(self._send(commands, atomic=atomic))
        self._running.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait([task], timeout=DEADLINE_S)
        if not done:
            raise LinkStoreUnavailableError(f"Redis: no answer within {DEADLINE_S} s")
        return task.result()

    async def close(self) -> None:
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._client.aclose()

    def _forget(self, task: asyncio.Task[list[Any]]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen, though its caller may be gone

    async def _send(self, commands: Sequence[Command], *, atomic: bool) -> list[Any]:
        try:
            async with self._client.pipeline(transaction=atomic) as pipeline:
                for command in commands:
                    name, *arguments = command
                    assert isinstance(name, bytes)
                    pipeline.execute_command(name.decode(), *arguments)  # a cluster wants text
                replies: list[Any] = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise LinkStoreUnavailableError(f"Redis: {error}") from error
        return replies


def connect_to_server(url: str) -> RedisConnection:
    """Connects when first used. Raises `ValueError` where the URL does not parse."""
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=TIMEOUT_S,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),  # one more try: a restarted Redis leaves stale connections behind
    )
    return RedisConnection(Redis.from_pool(pool))


def connect_to_cluster(address: ClusterAddress) -> RedisConnection:
    """Connects when first used."""
    return RedisConnection(_cluster_client(address))


def open_redis_client(url: str) -> Any:
    """redis-py's client of a server or a cluster, for whoever keeps other things there than links.

    Every command waits `TIMEOUT_S` at the most. Raises `ValueError` where the URL does not parse.
    """
    if url.startswith(CLUSTER_SCHEME):
        return _cluster_client(ClusterAddress.parse(url))
    return Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)


def _cluster_client(address: ClusterAddress) -> RedisCluster:
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in address.seeds],
        username=None if address.node.password is None else address.node.username,
        password=address.node.password,
        ssl=address.node.tls,
        ssl_ca_certs=address.node.ca_file,
        max_connections=CONNECTIONS * 8,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        require_full_coverage=False,  # what other masters have is reached while one is down
        retry=Retry(ConstantBackoff(CLUSTER_PAUSE_S), CLUSTER_TRIES),
    )
