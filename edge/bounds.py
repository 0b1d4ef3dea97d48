"""How long and how much the redirect path keeps waiting or cached, as numbers that tests and benches vary."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Bounds:
    """`deadline_s`: how long a request waits for Redis. `codes_cached`: codes that it keeps.

    `max_held`: answers to misses that are held at a time.
    """

    deadline_s: float = 0.23  # with a sweep after it still well within the 300 ms that are promised
    codes_cached: int = 131_072
    max_held: int = 1_000


BOUNDS: Final = Bounds()
