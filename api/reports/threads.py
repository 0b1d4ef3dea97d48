"""Threads for queries that are asked at once: the engine answers each by one thread where rows are few."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

THREADS: Final = ThreadPoolExecutor(8, "reports")
