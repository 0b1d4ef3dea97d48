"""Opens the link store that a URL means."""

from edge.linkstore import LinkStore
from edge.redis_address import CLUSTER_SCHEME, ClusterAddress
from edge.redis_cluster_store import RedisClusterLinkStore
from edge.redis_connection import connect_to_cluster, connect_to_server
from edge.redis_store import RedisLinkStore
from edge.settings import PREFIX, SettingsError


def open_link_store(url: str) -> LinkStore:
    """The link store at `redis://`, `rediss://`, `unix://` or `redis+cluster://`. Connects when first used.

    Belongs to one event loop. Raises `SettingsError` where the URL is none of these or does not parse.
    """
    try:
        if url.startswith(CLUSTER_SCHEME):
            return RedisClusterLinkStore(connect_to_cluster(ClusterAddress.parse(url)))
        return RedisLinkStore(connect_to_server(url))
    except ValueError as error:
        raise SettingsError(f"{PREFIX}REDIS_URL: {error}") from None
