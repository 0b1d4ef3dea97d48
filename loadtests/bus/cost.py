"""What a stage costs, by the clock and by the kernel's count of CPU time."""

import time
from dataclasses import dataclass

from loadtests.processes import cpu_s


@dataclass(frozen=True, slots=True)
class Cost:
    """`rate` is clicks a second; CPU times are microseconds a click.

    The warehouse's own is 0 where it is in this process, and where it is not asked. `batch_rows` is how many
    clicks an insert had, `seconds` how long all of it took.
    """

    rate: float
    cpu_us: float
    warehouse_cpu_us: float = 0.0
    batch_rows: int = 0
    seconds: float = 0.0


class Stopwatch:
    """Runs from when it is made. `warehouse_pid`: the process of a warehouse that is not in this one."""

    def __init__(self, warehouse_pid: int | None = None) -> None:
        self._warehouse_pid = warehouse_pid
        self._warehouse_cpu_s = self._read_warehouse()
        self._cpu_s = time.process_time()
        self._began_s = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began_s

    def cost(self, clicks: float, *, batch_rows: int = 0) -> Cost:
        """Of so many clicks since it runs."""
        seconds = self.seconds
        return Cost(
            rate=clicks / seconds,
            cpu_us=(time.process_time() - self._cpu_s) / clicks * 1e6,
            warehouse_cpu_us=(self._read_warehouse() - self._warehouse_cpu_s) / clicks * 1e6,
            batch_rows=batch_rows,
            seconds=seconds,
        )

    def _read_warehouse(self) -> float:
        return 0.0 if self._warehouse_pid is None else cpu_s(self._warehouse_pid)
