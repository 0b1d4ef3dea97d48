"""A bounded cache in two generations."""

from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_SHED_A_PUT: Final = 2  # so a generation is gone before the next one follows


class BoundedCache(Generic[K, V]):
    """At most twice `generation_size` entries, the lately used ones among them.

    When the young generation is full it becomes the old one, and what then is left of the old one goes entry
    by entry, as others are put: nothing is ever searched for what to evict, and nothing waits while a whole
    generation is freed.
    """

    __slots__ = ("_generation_size", "_retired", "old", "young")

    def __init__(self, generation_size: int) -> None:
        self._generation_size = generation_size
        self.young: dict[K, V] = {}
        """The young generation. Most hits are here, and `young.get` is cheaper than `get`."""
        self.old: dict[K, V] = {}
        """The old one. What is in neither is not cached."""
        self._retired: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self.young) + len(self.old)

    def __contains__(self, key: K) -> bool:
        return key in self.young or key in self.old

    def get(self, key: K) -> V | None:
        value = self.young.get(key)
        if value is None and (value := self.old.pop(key, None)) is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        if len(self.young) >= self._generation_size:
            self._retired, self.old, self.young = self.old, self.young, {}
        self.young[key] = value
        for _ in range(min(_SHED_A_PUT, len(self._retired))):
            self._retired.popitem()

    def drop(self, key: K) -> None:
        self.young.pop(key, None)
        self.old.pop(key, None)

    def clear(self) -> None:
        self.young, self.old, self._retired = {}, {}, {}
