"""A bounded cache in two generations."""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(dict[K, V | None]):
    """At most twice `generation_size` entries, the lately used ones among them. Read it by `cache[key]`.

    When the young generation (the dict itself, so that a hit is a dict's) is full it becomes the old one, and
    the old one is dropped as a whole: nothing is ever searched for what to evict. What is not there is None.
    """

    __slots__ = ("_generation_size", "_old")

    def __init__(self, generation_size: int) -> None:
        super().__init__()
        self._generation_size = generation_size
        self._old: dict[K, V | None] = {}

    def __missing__(self, key: K) -> V | None:
        value = self._old.pop(key, None)
        if value is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        if len(self) >= self._generation_size:
            self._old = self.copy()
            super().clear()
        self[key] = value

    def drop(self, key: K) -> None:
        self.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        super().clear()
        self._old = {}
