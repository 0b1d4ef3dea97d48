"""Memory as it suits a process that moves bytes: no search for cycles, and freed blocks are used again.

glibc gives each block of a batch's size back to the kernel and gets a new one for the next, whose pages are
zeroed one by one: a fifth of the shipper's CPU.
"""

import ctypes
import gc
from typing import Final

GC_THRESHOLD: Final = 200_000
"""Events make no cycles; looking for some among tens of thousands took a third of an event's time."""
# Of glibc's `mallopt`, and from which size on blocks go back at once: the largest that it takes.
_M_MMAP_THRESHOLD: Final = -3
_M_TRIM_THRESHOLD: Final = -1
_LARGEST_KEPT_BYTES: Final = 32 * 1024 * 1024
_KEPT_BYTES: Final = 64 * 1024 * 1024


def tune_memory() -> None:
    """Call it once, when everything is imported."""
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 10, 10)
    keep_freed_blocks()


def keep_freed_blocks() -> None:
    """Blocks of a batch's size that are free stay with the process, `_KEPT_BYTES` of them at most."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other systems have other allocators
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
