"""The rollups' shape: whose clicks they count, over which windows of time, by which dimensions.

A window's row in `rollup_windows` is written last. Only that one makes it known, so a death in between leaves
nothing that a report would read.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Scope = Literal["link", "domain", "tenant"]

QUARTER_S: Final = 900
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
FOUR_WEEKS_S: Final = 28 * DAY_S
# Made from the rows; windows of four weeks are made from those of their days.
GRAINS_OF_ROWS_S: Final = (DAY_S, HOUR_S, QUARTER_S)
GRAINS_S: Final = (FOUR_WEEKS_S, *GRAINS_OF_ROWS_S)

# Up to so many clicks reports count the rows, exactly.
EXACT_UP_TO_CLICKS: Final = 100_000
# A window of fewer clicks has no breakdowns: as many rows are counted in less time than they would take.
DETAILED_FROM_CLICKS: Final = 1_000

# The columns of `clicks` that reports break down by.
Dimension = Literal[
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
]
DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)

TOTAL: Final = "total"

# Of each dimension so many keys, those with the most clicks.
MAX_KEYS: Final = 10_000

# How many visitors the sample of a window of each grain holds at least, where there are as many: of all, and
# of a dimension (shared by its keys). A report reads all of them, so they are what it costs;
# `docs/performance.md` has the errors that come of them.
TOTAL_SAMPLES: Final = {FOUR_WEEKS_S: 16_384, DAY_S: 2_048, HOUR_S: 512, QUARTER_S: 128}
DIMENSION_SAMPLES: Final = {FOUR_WEEKS_S: 8_192, DAY_S: 512, HOUR_S: 128, QUARTER_S: 32}
# Days of so many clicks have larger samples too, from which windows of four weeks are made: of all, and of
# each key. Of fewer they would be nearly all visitors, sixteen times over.
DEEP_FROM_CLICKS: Final = 50_000
# Windows of four weeks with fewer clicks than such days have are counted from the rows, in 2 s at the most.
FOUR_WEEKS_OF_ROWS: Final = 28 * DEEP_FROM_CLICKS
DEEP_TOTAL_SAMPLE: Final = 16_384
DEEP_KEY_SAMPLE: Final = 512


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
