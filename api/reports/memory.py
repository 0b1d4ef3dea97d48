"""What reports keep in memory of one warehouse, so that the next one reads only what is new."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Final
from weakref import WeakKeyDictionary

from api.reports.cover import Piece
from api.reports.kept_rows import KeptRows
from api.reports.window_cache import Column, WindowCache
from api.reports.windows import WindowSum, sum_windows
from ingest.contract import Warehouse

# Beyond so many keys all is forgotten: their numbers are in everything that is kept.
MAX_NAMES: Final = 1_000_000
# Of a month's report on many clicks there are 16, of 4,000 keys together: 300 KB.
MAX_SUMS: Final = 1_000


class Memory:
    """Windows, sums of them, and rows. Any thread may use it."""

    def __init__(self) -> None:
        self.windows = WindowCache()
        self.rows = KeptRows(self.windows)
        self._sums: OrderedDict[Hashable, WindowSum] = OrderedDict()
        self._lock = threading.Lock()

    def sum_of(
        self, tenant: str, scope: str, dimension: str, windows: Sequence[tuple[Piece, Column]]
    ) -> WindowSum | None:
        """These windows added up; None where there are none."""
        if not windows:
            return None
        key = (tenant, scope, dimension, tuple(piece for piece, _ in windows))
        with self._lock:
            known = self._sums.get(key)
            if known is not None:
                self._sums.move_to_end(key)
                return known
        known = sum_windows([column for _, column in windows])
        with self._lock:
            self._sums[key] = known
            while len(self._sums) > MAX_SUMS:
                self._sums.popitem(last=False)
        return known


_memories: WeakKeyDictionary[Warehouse, Memory] = WeakKeyDictionary()


def memory_of(warehouse: Warehouse) -> Memory:
    memory = _memories.get(warehouse)
    if memory is None or memory.windows.count_names() > MAX_NAMES:
        memory = _memories[warehouse] = Memory()
    return memory
