"""The nodes of a Redis Cluster: a pipeline to each master, and a map of slots to masters.

Invariants:

1. A command goes to the master that the map names for its slot. `MOVED` corrects the map, `ASK` sends one
   command elsewhere: it is asked again there, and no reply that came before is taken for its own.
2. A command lost with its connection, or turned away too often, is answered by `UNANSWERED`, never resent.
3. There is a connection to every master in the map, whether or not anything is asked there, because news of
   changes come from the master on which they happen. The map is read again at every doubt, and each
   `LOOK_S`. Once a master was connected anew `on_covered` is called, as soon as all slots can be reached.
4. News and replies from one node come in order. From different nodes they don't.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

from edge.cluster_keys import GROUP_SLOTS, SLOTS
from edge.lookups import STALL_S
from edge.redis_address import ClusterAddress
from edge.redis_pipeline import (
    UNANSWERED,
    OnReply,
    RedisDoubtError,
    RedisPipeline,
    encode_command,
    open_pipeline,
)

LOOK_S: Final = 0.5
CONNECT_WITHIN_S: Final = 0.5
SLOTS_WITHIN_S: Final = 0.5
TRY_AGAIN_S: Final = 0.01
MAX_REDIRECTS: Final = 16
LEAST_PAUSE_S: Final = 0.02

_ASKING: Final = encode_command(b"ASKING")
_log = logging.getLogger(__name__)
NodeName = tuple[str, int]


class ClusterOwner(Protocol):
    """Whom a cluster reports to."""

    def on_invalidated(self, keys: Sequence[bytes] | None) -> None: ...

    def on_replies_read(self, waited_s: float) -> None: ...

    def on_covered(self) -> None:
        """All slots can be reached, and changes may have happened of which no news came."""
        ...


class _Command:
    __slots__ = ("data", "key", "node", "on_reply", "redirects", "slot")

    def __init__(self, slot: int, data: bytes, on_reply: OnReply, key: object) -> None:
        self.slot = slot
        self.data = data
        self.on_reply = on_reply
        self.key = key
        self.node: _Node | None = None
        self.redirects = 0


class _Node:
    """One master. While a connection to it is first tried, `held` keeps commands; later they are refused."""

    def __init__(self, name: NodeName, cluster: "RedisCluster") -> None:
        self.name = name
        self.pipeline: RedisPipeline | None = None
        self.held: list[tuple[_Command, bool]] | None = []
        self._cluster = cluster

    def on_invalidated(self, keys: Sequence[bytes] | None) -> None:
        self._cluster.owner.on_invalidated(keys)

    def on_replies_read(self, waited_s: float) -> None:
        self._cluster.owner.on_replies_read(waited_s)

    def on_lost(self, reason: str) -> None:
        if self.pipeline is None:
            return  # lost within the handshake: whoever connects sees the error
        _log.warning("the connection to Redis at %s:%d was lost: %s", *self.name, reason)
        self.pipeline = None
        self.held = []
        self._cluster.look_again()


class RedisCluster:
    """See the module. `run` keeps it connected."""

    def __init__(
        self, address: ClusterAddress, owner: ClusterOwner, *, tracked_prefixes: Sequence[bytes]
    ) -> None:
        self.owner = owner
        self._address = address
        self._tracked_prefixes = tracked_prefixes
        self._nodes: dict[NodeName, _Node] = {}
        self._masters: list[_Node | None] = [None] * SLOTS
        self._doubt = asyncio.Event()
        self._has_new_connections = False
        self._loop = asyncio.get_running_loop()
        self._turn = 0

    @property
    def is_connected(self) -> bool:
        """Whether any node can be asked."""
        return any(node.pipeline is not None for node in self._nodes.values())

    def send(self, slot: int, data: bytes, on_reply: OnReply, key: object) -> None:
        """Send a command on keys of one slot; `on_reply(key, reply)` comes in any case."""
        command = _Command(slot, data, on_reply, key)
        self._send_to(self._masters[slot], command)

    def look_again(self) -> None:
        """Something does not fit: read the map again, and connect where no connection stands."""
        self._doubt.set()

    async def refresh(self) -> None:
        """Read the map of slots from any node, and connect to all masters in it."""
        self._doubt.clear()
        self._drop_stalled()
        await self._connect_all()
        ranges = await self._read_slots()
        if ranges is not None:
            self._take_map(ranges)
            await self._connect_all()
        if self._has_new_connections and all(map(self._reaches, GROUP_SLOTS)):
            self._has_new_connections = False
            self.owner.on_covered()

    async def wait_for_doubt(self) -> None:
        """Until something does not fit, at most `LOOK_S`."""
        await asyncio.sleep(LEAST_PAUSE_S)
        try:
            async with asyncio.timeout(LOOK_S):
                await self._doubt.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        self._masters = [None] * SLOTS
        for node in tuple(self._nodes.values()):
            pipeline, node.pipeline = node.pipeline, None
            self._give_up(node)
            if pipeline is not None:
                pipeline.drop("the edge is stopping")
        self._nodes.clear()

    def _send_to(self, node: _Node | None, command: _Command, *, asking: bool = False) -> None:
        if node is None or (node.pipeline is None and node.held is None):
            command.on_reply(command.key, UNANSWERED)
        elif node.pipeline is None:
            assert node.held is not None  # told by the line before
            node.held.append((command, asking))
        else:
            command.node = node
            if asking:
                node.pipeline.send(_ASKING, _ignore, None)
            node.pipeline.send(command.data, self._on_reply, command)

    def _on_reply(self, command: _Command, reply: Any) -> None:
        if isinstance(reply, Exception):
            self._redirect(command, str(reply).split())
        else:
            command.on_reply(command.key, reply)

    def _redirect(self, command: _Command, error: Sequence[str]) -> None:
        self.look_again()
        command.redirects += 1
        if command.redirects > MAX_REDIRECTS or error[0] not in {"MOVED", "ASK", "TRYAGAIN"}:
            command.on_reply(command.key, UNANSWERED)
        elif error[0] == "TRYAGAIN":
            self._loop.call_later(TRY_AGAIN_S, self._retry, command)
        else:
            assert command.node is not None  # it was sent there
            host, _, port = error[2].rpartition(":")
            node = self._node((host or command.node.name[0], int(port)))
            if error[0] == "MOVED":
                self._masters[command.slot] = node
            self._send_to(node, command, asking=error[0] == "ASK")

    def _retry(self, command: _Command) -> None:
        self._send_to(self._masters[command.slot], command)

    def _node(self, name: NodeName) -> _Node:
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = _Node(name, self)
        return node

    def _reaches(self, slot: int) -> bool:
        master = self._masters[slot]
        return master is not None and master.pipeline is not None

    def _drop_stalled(self) -> None:
        for node in tuple(self._nodes.values()):  # whose lost commands may name new ones
            if node.pipeline is not None and node.pipeline.oldest_wait_s() > STALL_S:
                node.pipeline.drop(f"no reply for {STALL_S:g} s")

    async def _connect_all(self) -> None:
        waiting = [node for node in self._nodes.values() if node.pipeline is None]
        await asyncio.gather(*map(self._connect, waiting))

    async def _connect(self, node: _Node) -> None:
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                pipeline = await open_pipeline(
                    self._address.node_at(*node.name),
                    node,
                    tracked_prefixes=self._tracked_prefixes,
                    in_cluster=True,
                )
        except (OSError, RedisDoubtError):
            self._give_up(node)
            return
        node.pipeline = pipeline
        self._has_new_connections = True
        held, node.held = node.held, None
        for command, asking in held or ():
            self._send_to(node, command, asking=asking)

    def _give_up(self, node: _Node) -> None:
        held, node.held = node.held, None
        for command, _ in held or ():
            command.on_reply(command.key, UNANSWERED)
        if held:
            self.owner.on_replies_read(0)

    async def _read_slots(self) -> list[Any] | None:
        """`CLUSTER SLOTS` as a node tells it, each in turn; None where none does."""
        connected = [node for node in self._nodes.values() if node.pipeline is not None]
        self._turn += 1
        for node in connected[self._turn % max(1, len(connected)) :] + connected:
            if node.pipeline is None:
                continue
            try:
                async with asyncio.timeout(SLOTS_WITHIN_S):
                    reply: Any = await node.pipeline.call(b"CLUSTER", b"SLOTS")
            except (TimeoutError, RedisDoubtError):
                continue
            return [(first, last, _name(master, node.name)) for first, last, master, *_ in reply]
        for seed in self._address.seeds:  # they are asked in the next round
            self._node(seed)
        return None if connected else await self._read_slots_of_seeds()

    async def _read_slots_of_seeds(self) -> list[Any] | None:
        await self._connect_all()
        return await self._read_slots() if self.is_connected else None

    def _take_map(self, ranges: Iterable[tuple[int, int, NodeName]]) -> None:
        masters: list[_Node | None] = [None] * SLOTS
        for first, last, name in ranges:
            masters[first : last + 1] = [self._node(name)] * (last + 1 - first)
        self._masters = masters
        named = {node for node in masters if node is not None}
        for name, node in tuple(self._nodes.items()):
            if node not in named and named:
                del self._nodes[name]
                pipeline, node.pipeline = node.pipeline, None
                self._give_up(node)
                if pipeline is not None:
                    pipeline.drop("it is no master any more")


def _name(node: Sequence[Any], asked: NodeName) -> NodeName:
    """A node without a host is at the address at which we asked."""
    return (node[0].decode() if node[0] else asked[0], int(node[1]))


def _ignore(_key: None, _reply: object) -> None:
    """`ASKING` is followed by the command that tells whether it was of use."""
