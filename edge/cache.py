"""A bounded cache in two generations."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Holds at most twice `generation_size` entries, the lately used ones among them.

    When the young generation is full it becomes the old one, and the old one is dropped as a whole: every
    operation is a dict's, and nothing is ever searched for what to evict.
    """

    __slots__ = ("_generation_size", "_old", "_young")

    def __init__(self, generation_size: int) -> None:
        self._generation_size = generation_size
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        value = self._young.get(key)
        if value is None and (value := self._old.pop(key, None)) is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        if len(self._young) >= self._generation_size:
            self._old = self._young
            self._young = {}
        self._young[key] = value

    def drop(self, key: K) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        self._young = {}
        self._old = {}
