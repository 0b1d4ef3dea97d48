"""The rollups' shape: whose clicks they count, over which windows of time, by which dimensions.

A window's row of dimension '' is written last. Only that one makes it known, so a death in between leaves
nothing that a report would read.
"""

from dataclasses import dataclass
from typing import Final, Literal

Scope = Literal["link", "domain", "tenant"]

QUARTER_S: Final = 900
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
GRAINS_S: Final = (DAY_S, HOUR_S, QUARTER_S)

# A window of fewer clicks has no breakdowns: as many rows are counted in less time than they would take.
DETAILED_FROM_CLICKS: Final = 1_000

# The columns of `clicks` that reports break down by.
DIMENSIONS: Final = (
    "country",
    "region",
    "city",
    "browser",
    "browser_version",
    "os",
    "os_version",
    "platform",
    "device",
    "referrer",
    "language",
    "route",
    "channel",
    "network_kind",
    "verdict",
)

TOTAL: Final = "total"

# Of each dimension so many keys, those with the most clicks.
MAX_KEYS: Final = 10_000

# How many visitors the sample of a window of each grain holds at least, where there are as many: of all, and
# of a dimension (shared by its keys). A report reads all of them, so they are what it costs;
# `docs/performance.md` has the errors that come of them.
TOTAL_SAMPLES: Final = {DAY_S: 2_048, HOUR_S: 512, QUARTER_S: 128}
DIMENSION_SAMPLES: Final = {DAY_S: 512, HOUR_S: 128, QUARTER_S: 32}


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """`grain_s` seconds from `start_s` (Unix time) of one subject's clicks, after `changes` changes.

    `subject` is the link's number, cityHash64 of the domain, or 0 for the tenant.
    """

    tenant: str
    scope: Scope
    subject: int
    grain_s: int
    start_s: int
    changes: int
    detailed: bool
