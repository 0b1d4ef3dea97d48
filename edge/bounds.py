"""How long and how much the redirect path keeps waiting or cached, as numbers that tests and benches vary."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Bounds:
    """`deadline_s`: how long a request waits for Redis. `codes_a_generation`: half of what the cache holds.

    `max_held`: answers to misses that are held at a time.
    """

    deadline_s: float = 0.23  # with a sweep after it still well within the 300 ms that are promised
    codes_a_generation: int = 43_690
    max_held: int = 1_000


BOUNDS: Final = Bounds()
