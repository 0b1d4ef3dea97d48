"""A bounded cache for many small entries, in shards of two generations each."""

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

ENTRIES_A_SHARD: Final = 341
"""Of a generation: as many as a dict holds in 512 slots; one more doubles it."""


class ShardedCache(Generic[K, V]):
    """At most twice `generation_size` entries, the lately used ones among them.

    When the young generation of a shard is full it becomes the old one, and the old one is freed. A shard is
    so small that neither this nor the growth of its dict holds anybody up: one dict of 43,690 codes takes
    0.5 ms to double its table, and 5 ms to be freed.
    """

    __slots__ = ("_generation_size", "_old", "_shards", "_young")

    def __init__(self, generation_size: int) -> None:
        # Odd: a dict takes its slots by the lowest bits of a hash, which else were alike in a shard.
        self._shards: Final = generation_size // ENTRIES_A_SHARD | 1
        self._generation_size = generation_size // self._shards  # of a shard
        self.clear()

    def __len__(self) -> int:
        return sum(map(len, self._young)) + sum(map(len, self._old))

    def __contains__(self, key: K) -> bool:
        at = hash(key) % self._shards
        return key in self._young[at] or key in self._old[at]

    def get(self, key: K) -> V | None:
        at = hash(key) % self._shards
        value = self._young[at].get(key)
        if value is None and key in self._old[at]:
            value = self._old[at].pop(key)
            self.put_all({key: value})
        return value

    def put_all(self, entries: Mapping[K, V]) -> None:
        shards, count, most = self._young, self._shards, self._generation_size
        for key, value in entries.items():
            at = hash(key) % count
            young = shards[at]
            if len(young) >= most:
                self._old[at] = young
                shards[at] = young = {}
            young[key] = value

    def clear(self) -> None:
        self._young: list[dict[K, V]] = [{} for _ in range(self._shards)]
        self._old: list[dict[K, V]] = [{} for _ in range(self._shards)]
