"""What the redirect path counts, as plain integers: cheap there, and published once a second."""

from dataclasses import dataclass, field
from typing import Final

OUTCOMES: Final = (
    "redirected",
    "association_file",
    "gone",
    "not_found",
    "too_many_misses",
    "unavailable",
    "method_not_allowed",
    "bad_request",
    "failed",
)
MAX_LOOKUP_SAMPLES: Final = 200


@dataclass(slots=True)
class Counters:
    """Totals since the worker's start; `answers` by outcome.

    `lookup_samples_s` are round trips to Redis since the last publication, one a batch of replies and at most
    `MAX_LOOKUP_SAMPLES`.
    """

    answers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    clicks_spooled: int = 0
    clicks_dropped: int = 0
    orphans_unrecorded: int = 0
    spool_bytes: int = 0
    code_lookups: int = 0
    link_lookups: int = 0
    cache_hits: int = 0
    redis_reconnects: int = 0
    lookup_samples_s: list[float] = field(default_factory=list)
