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
GRAINS_S: Final = (DAY_S, HOUR_S, QUARTER_S)

# How many days before a day its visitors are looked for: a report on 30 days begins within the 30th before.
LOOK_BACK_DAYS: Final = 31
# These days and the day itself.
LOOK_BACK_S: Final = (LOOK_BACK_DAYS + 1) * DAY_S

# Up to so many clicks reports count the rows, exactly.
EXACT_UP_TO_CLICKS: Final = 300_000
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
# of a dimension (shared by its keys). A report reads all of them, so they are what it costs. Those of days
# serve where nobody counted who returned (`returns.py`).
TOTAL_SAMPLES: Final = {DAY_S: 2_048, HOUR_S: 512, QUARTER_S: 128}
DIMENSION_SAMPLES: Final = {DAY_S: 512, HOUR_S: 128, QUARTER_S: 32}

# Whose clicks a subject's are.
SUBJECTS: Final[dict[Scope, str]] = {
    "link": "link",
    "domain": "cityHash64(domain)",
    "tenant": "toUInt64(0)",
}


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
