"""Look-ups in a Redis Cluster.

Why no code that exists is ever answered by 404, whatever moves or dies:

1. A miss counts only if the code's group was whole at that moment: the group's marker
   (`edge/cluster_keys.py`) is asked for, then the code once more, in one write. A master that came back
   empty has no marker.
2. A bucket of codes moves from node to node as one key; a node that lacks it says so by `ASK` or `MOVED`,
   which is no answer (`edge/redis_cluster.py`). Buckets are never split here.
3. Whatever can't be asked to the end is refused by 503.

And no wrong destination: a code's link is cached unless codes were released since it was asked for, a
link's record unless its own node, on the same connection, said later that it changed. A link that moves to
another node is deleted on its old one, which says so on the connection that gave it to us. When a node is
connected anew, all that was cached is forgotten once every slot can be reached; until then it is served.
"""

from collections.abc import Sequence
from typing import Any, Final

from edge.cluster_keys import (
    CLUSTER_SHARED_KEYS,
    GROUP_SLOTS,
    SHARED_SLOT,
    WHOLE_KEYS,
    code_key,
    group_of_field,
    group_of_link,
    link_key,
)
from edge.code_finder import hget
from edge.domains import Domains
from edge.links import EDGE_FIELDS
from edge.lookups import LINK_PREFIX, LookupsOwner, changed_links
from edge.redis_address import ClusterAddress
from edge.redis_cluster import RedisCluster
from edge.redis_pipeline import UNANSWERED, OnReply, RedisDoubtError, encode_command
from edge.redis_state import RedisState
from edge.routing import NOT_FOUND, UNAVAILABLE

MAX_TRIES: Final = 3
_TRACKED_PREFIXES: Final = (LINK_PREFIX, CLUSTER_SHARED_KEYS.releases, CLUSTER_SHARED_KEYS.domains)
_PENDING: Final = object()
_NOTHING: Final = [None] * len(EDGE_FIELDS)


class _Ask:
    """A code or a link that is asked for: what came of its group's marker, and of itself."""

    __slots__ = ("found", "group", "marker", "releases", "tries", "what")

    def __init__(self, what: Any, group: int) -> None:
        self.what = what
        self.group = group
        self.tries = 0
        self.releases = 0
        self.marker: Any = _PENDING
        self.found: Any = _PENDING


class ClusterLookups:
    """The `Lookups` of a cluster. Each of its nodes may be down while the others answer."""

    def __init__(self, address: ClusterAddress, owner: LookupsOwner, domains: Domains) -> None:
        self._owner = owner
        self._cluster = RedisCluster(address, self, tracked_prefixes=_TRACKED_PREFIXES)
        self._state = RedisState(domains, owner.forget_all, CLUSTER_SHARED_KEYS)
        self._shared = _SharedKeysSender(self._cluster, self._on_state_unknown)
        self._releases = 0
        self._state_is_known = False

    @property
    def down_reason(self) -> str | None:
        return None if self._cluster.is_connected else "no node of the Redis Cluster can be reached"

    async def connect(self) -> None:
        was_connected = self._cluster.is_connected
        await self._cluster.refresh()
        if not self._cluster.is_connected:
            self._owner.on_down("no node of the Redis Cluster can be reached")
        elif not was_connected:
            self._owner.on_connected()

    async def run(self) -> None:
        while True:
            await self.connect()
            if not self._state_is_known:
                self._ask_state()
            else:
                self._state.ask_whether_whole(self._shared)
            await self._cluster.wait_for_doubt()

    def close(self) -> None:
        self._cluster.close()

    def ask_codes(self, fields: list[bytes]) -> None:
        for field in fields:
            self._ask_code(_Ask(field, group_of_field(field)))

    def ask_link(self, number: int) -> None:
        self._ask_link(_Ask(number, group_of_link(number)))

    def on_invalidated(self, keys: Sequence[bytes] | None) -> None:
        if keys is None:
            return  # a node was emptied: it has no markers
        if CLUSTER_SHARED_KEYS.domains in keys:
            self._state.ask_domains()
        if CLUSTER_SHARED_KEYS.releases in keys:
            self._releases += 1
            self._owner.forget_codes()
        self._owner.on_links_changed(changed_links(keys))

    def on_replies_read(self, waited_s: float) -> None:
        self._owner.on_replies_read(waited_s)

    def on_covered(self) -> None:
        self._releases += 1
        self._owner.forget_all()
        self._ask_state()

    def _ask_code(self, ask: _Ask) -> None:
        ask.tries += 1
        ask.releases = self._releases
        self._send(ask, _hget(ask.what), self._on_code)

    def _on_code(self, ask: _Ask, reply: object) -> None:
        if reply is UNANSWERED or ask.releases != self._releases:
            self._ask_code_again(ask)
        elif reply is None:
            ask.marker = ask.found = _PENDING
            self._send(ask, encode_command(b"EXISTS", WHOLE_KEYS[ask.group]), self._on_code_marker)
            self._send(ask, _hget(ask.what), self._on_code_found)
        else:
            self._owner.on_numbers([ask.what], [reply])

    def _on_code_marker(self, ask: _Ask, reply: object) -> None:
        ask.marker = reply
        self._settle_code(ask)

    def _on_code_found(self, ask: _Ask, reply: object) -> None:
        ask.found = reply
        self._settle_code(ask)

    def _settle_code(self, ask: _Ask) -> None:
        if ask.marker is _PENDING or ask.found is _PENDING:
            return
        if UNANSWERED in {ask.marker, ask.found} or ask.releases != self._releases:
            self._ask_code_again(ask)
        elif ask.found is not None:
            self._owner.on_numbers([ask.what], [ask.found])
        else:
            self._owner.on_missing(ask.what, _refusal(ask.marker))

    def _ask_code_again(self, ask: _Ask) -> None:
        if ask.tries < MAX_TRIES:
            self._ask_code(ask)
        else:
            self._owner.on_missing(ask.what, UNAVAILABLE)

    def _ask_link(self, ask: _Ask) -> None:
        ask.tries += 1
        ask.marker = ask.found = _PENDING
        self._send(ask, encode_command(b"EXISTS", WHOLE_KEYS[ask.group]), self._on_link_marker)
        self._send(ask, encode_command(b"HMGET", link_key(ask.what), *EDGE_FIELDS), self._on_link_found)

    def _on_link_marker(self, ask: _Ask, reply: object) -> None:
        ask.marker = reply
        self._settle_link(ask)

    def _on_link_found(self, ask: _Ask, reply: object) -> None:
        ask.found = reply
        self._settle_link(ask)

    def _settle_link(self, ask: _Ask) -> None:
        if ask.marker is _PENDING or ask.found is _PENDING:
            return
        if ask.marker is not UNANSWERED and ask.found is not UNANSWERED:
            self._owner.on_link(ask.what, ask.found, _refusal(ask.marker))
        elif ask.tries < MAX_TRIES:
            self._ask_link(ask)
        else:
            self._owner.on_link(ask.what, _NOTHING, UNAVAILABLE)

    def _send(self, ask: _Ask, data: bytes, on_reply: OnReply) -> None:
        self._cluster.send(GROUP_SLOTS[ask.group], data, on_reply, ask)

    def _ask_state(self) -> None:
        self._state_is_known = True  # until it turns out not to be
        self._state.ask_again(self._shared)

    def _on_state_unknown(self) -> None:
        self._state_is_known = False


class _SharedKeysSender:
    """Sends commands on the shared keys; those that stay unanswered are told by `on_unanswered` alone."""

    def __init__(self, cluster: RedisCluster, on_unanswered: Any) -> None:
        self._cluster = cluster
        self._on_unanswered = on_unanswered

    def send(self, command: bytes, on_reply: OnReply, key: object) -> None:
        self._cluster.send(SHARED_SLOT, command, self._on_reply, (on_reply, key))

    def _on_reply(self, asked: tuple[OnReply, object], reply: object) -> None:
        if reply is UNANSWERED:
            self._on_unanswered()
        else:
            on_reply, key = asked
            on_reply(key, reply)


def _hget(field: bytes) -> bytes:
    return hget(code_key(field), field)


def _refusal(marker: object) -> Any:
    if marker not in {0, 1}:
        raise RedisDoubtError(f"EXISTS was answered by {type(marker).__name__}")
    return NOT_FOUND if marker else UNAVAILABLE
