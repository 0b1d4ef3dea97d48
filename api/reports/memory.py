"""What reports keep in memory of one warehouse, so that the next one reads only what is new."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from api.reports.days import DaySum
from api.reports.kept_rows import KeptRows
from api.reports.window_cache import WindowCache
from api.reports.windows import WindowSum
from ingest.contract import Warehouse

# Beyond so many keys all is forgotten: their numbers are in everything that is kept.
MAX_NAMES: Final = 1_000_000
# A month's report on many clicks has 16 sums, of 4,000 keys together: 300 KB, and twice as much of its days.
MAX_SUMS: Final = 60

Value = TypeVar("Value")


class Latest(Generic[Value]):
    """Values that were asked for lately. Any thread may use it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """What is known by this key, else what is made now."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


class Memory:
    """Windows, sums of them by dimension, and rows. Any thread may use it."""

    def __init__(self) -> None:
        self.windows = WindowCache()
        self.rows = KeptRows(self.windows)
        self.days: Latest[Mapping[str, DaySum]] = Latest(MAX_SUMS)
        self.sums: Latest[Mapping[str, WindowSum]] = Latest(MAX_SUMS)


_memories: WeakKeyDictionary[Warehouse, Memory] = WeakKeyDictionary()


def memory_of(warehouse: Warehouse) -> Memory:
    memory = _memories.get(warehouse)
    if memory is None or memory.windows.count_names() > MAX_NAMES:
        memory = _memories[warehouse] = Memory()
    return memory
