"""Whether the time of a refusal tells how near a wrong service key was: `python -m tests.api.key_timing`.

Keys are looked up as for every request (`KeyRing.find`), right and wrong ones in turn, so that what disturbs
the machine disturbs all kinds alike. Printed are each kind's steps of the interpreter, its median, and how
often it took longer than the right key beside it: 50 % where time tells nothing.
"""

import dataclasses
import gc
import statistics
import sys
import time
from types import FrameType
from typing import Any, Final, cast

from api.access.admin_key import new_secret
from api.access.key_ring import KeyRing
from api.access.service_key import ServiceKey, digest_of
from ingest.contract import Warehouse

ROUNDS: Final = 50_000
KEYS: Final = 1_000
_STORED: Final = ServiceKey(
    id="", tenant="acme", name="", digest="", ending="", scopes=("admin",), addresses=(), quota=None,
    messages_per_s=None, expires_at_ms=None, previous_digest=None, previous_until_ms=None, created_at_ms=0,
    updated_at_ms=0, revoked_at_ms=None, version=1,
)  # fmt: skip


def open_ring() -> tuple[KeyRing, dict[str, bytes]]:
    """A ring of `KEYS` keys; a right key and wrong ones from near to far, all of the same length."""
    never_asked = cast("Warehouse", None)  # keys are put, not read
    ring = KeyRing(never_asked, lambda: 0, admin_key=new_secret())
    right = new_secret()
    for number, secret in enumerate([right, *(new_secret() for _ in range(KEYS - 1))]):
        ring.put(dataclasses.replace(_STORED, id=f"key_{number}", digest=digest_of(secret.encode())))
    half = len(right) // 2
    return ring, {
        "right": right.encode(),
        "last character wrong": (right[:-1] + ("A" if right[-1] != "A" else "B")).encode(),
        "second half wrong": (right[:half] + right[half:].swapcase()).encode(),
        "all wrong": new_secret().encode(),
    }


def steps_of(ring: KeyRing, key: bytes) -> int:
    """How many steps the interpreter takes to look the key up: the same on any machine."""
    steps = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return trace

    before = sys.gettrace()
    gc.disable()  # whatever it would end amid the look-up takes steps of its own
    sys.settrace(trace)
    try:
        ring.find(key)
    finally:
        sys.settrace(before)
        gc.enable()
    return steps


def measure(ring: KeyRing, kinds: dict[str, bytes], rounds: int) -> dict[str, list[int]]:
    """Nanoseconds of each lookup, by kind."""
    taken: dict[str, list[int]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, key in kinds.items():
            started = time.perf_counter_ns()
            ring.find(key)
            taken[kind].append(time.perf_counter_ns() - started)
    return taken


def main() -> None:
    ring, kinds = open_ring()
    taken = measure(ring, kinds, ROUNDS)
    for kind, key in kinds.items():
        pairs = [
            (ours, right) for ours, right in zip(taken[kind], taken["right"], strict=True) if ours != right
        ]
        slower = sum(ours > right for ours, right in pairs) / max(1, len(pairs))
        median = statistics.median(taken[kind])
        steps = steps_of(ring, key)
        print(f"{kind:22} {steps:4} steps  {median:7.0f} ns  slower than right {slower:5.1%}")  # noqa: T201 - a program's output


if __name__ == "__main__":
    main()
