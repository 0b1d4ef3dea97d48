"""Computes windows from the rows. The same rows give the same bytes, so it may be done again at any time.

Every statement takes many windows of one tenant, scope and grain at once. Visitors are sampled by their hash:
whoever is in the sample of one window is in those of all windows with the same level or a lower one, so that
a report can tell how many of them came back.
"""

import math
from collections.abc import Sequence
from typing import Final

from aggregator.rollups.windows import (
    DIMENSION_SAMPLES,
    DIMENSIONS,
    MAX_KEYS,
    SUBJECTS,
    TOTAL,
    TOTAL_SAMPLES,
    Window,
)
from ingest.contract import Warehouse

# Parameters travel in a URL; servers take one of a megabyte.
WINDOWS_A_STATEMENT: Final = 2_000
# A statement over more clicks counts visitors by HyperLogLog (within 0.3 %) where a key has more than 8,000,
# and holds a sample of their hashes in memory from the start: about 300 bytes a click otherwise.
CLICKS_OF_EXACT_VISITORS: Final = 5_000_000

# Everything that is put into these texts is our own; values are bound.
WANTED: Final = """
    wanted AS
    (
        SELECT tupleElement(window, 1) AS subject, tupleElement(window, 2) AS start,
            tupleElement(window, 3) AS changes, tupleElement(window, 4) AS detailed
        FROM (SELECT arrayJoin(arrayZip({subjects:Array(UInt64)}, {starts:Array(UInt32)},
            {changes:Array(UInt64)}, {detailed:Array(Bool)})) AS window)
    )
"""
_CHOSEN: Final = """
        FROM clicks
        WHERE tenant = {{tenant:String}}
            AND ts >= fromUnixTimestamp64Milli({{from_ms:Int64}}, 'UTC')
            AND ts < fromUnixTimestamp64Milli({{to_ms:Int64}}, 'UTC')
            {among}
            AND ({subject}, {start}) IN (SELECT subject, start FROM wanted)
"""

# From `counted`, which has a row for each subject, start, dimension and key, with its visitors and the sorted
# hashes of those that end in at least `base` zero bits.
_GATHER: Final = """
    levelled AS
    (
        SELECT *,
            2 * if(dimension = '{total}', {total_sample}, {dimension_sample})
                / count() OVER (PARTITION BY subject, start, dimension) AS kept,
            toUInt8(greatest(base, if(visitors <= kept, 0, ceil(log2(visitors / kept))))) AS level
        FROM counted
        ORDER BY clicks DESC, key LIMIT {max_keys} BY subject, start, dimension
    ),
    sampled AS
    (
        SELECT subject, start, dimension, previews,
            arrayFilter(hash -> bitAnd(hash, bitShiftLeft(toUInt64(1), level) - 1) = 0, hashes)
                AS sample,
            (key, clicks, human, visitors, level, toUInt32(length(sample)), sample) AS cell
        FROM levelled
    ),
    gathered AS
    (
        SELECT subject, start, dimension, sum(previews) AS all_previews, arraySort(groupArray(cell)) AS cells
        FROM sampled GROUP BY subject, start, dimension
    )
SELECT {{tenant:String}}, '{scope}', subject, {grain}, toDateTime(start, 'UTC'), dimension, changes,
    all_previews, cells.1, cells.2, cells.3, cells.4, cells.5, cells.6, arrayFlatten(cells.7)
FROM gathered INNER JOIN wanted USING (subject, start)
SETTINGS insert_deduplicate = 0, async_insert = 0
"""

# The columns that a set does not group by are '' in its rows, so all of them together are the key.
_KEYS: Final = (
    "INSERT INTO rollup_keys WITH"
    + WANTED.replace("{", "{{").replace("}", "}}")
    + """,
    grouped AS
    (
        SELECT {window}, GROUPING({columns}) AS mask,
            concat({columns}) AS key, count() AS clicks, countIf(is_human) AS human,
            countIf(is_preview) AS previews, {visitors} AS visitors, {base} AS base,
            arraySort(groupUniqArrayIf(hash, is_human{is_sampled})) AS hashes
        FROM
        (
            SELECT {subject} AS subject, {start} AS start,
                verdict = 'human' AS is_human, verdict = 'preview' AS is_preview,
                cityHash64(visitor) AS hash, {columns}
            """
    + _CHOSEN
    + """
        )
        GROUP BY GROUPING SETS (({by}), {sets})
    ),
    counted AS (SELECT *, {names}[indexOf({masks}, mask)] AS dimension FROM grouped),
    """
    + _GATHER
)

_WINDOWS: Final = (
    "INSERT INTO rollup_windows WITH"
    + WANTED.replace("{", "{{").replace("}", "}}")
    + """
SELECT {{tenant:String}}, '{scope}', {grain}, subject, toDateTime(start, 'UTC'), changes, detailed,
    counted.clicks
FROM wanted LEFT JOIN
(
    SELECT {subject} AS subject, {start} AS start, count() AS clicks
    """
    + _CHOSEN
    + """
    GROUP BY subject, start
) AS counted USING (subject, start)
SETTINGS insert_deduplicate = 0, async_insert = 0, join_use_nulls = 0
"""
)


def compute(warehouse: Warehouse, windows: Sequence[Window]) -> None:
    """Replace these windows by what the rows say now. All are of one tenant, scope and grain. Blocks."""
    for at in range(0, len(windows), WINDOWS_A_STATEMENT):
        _compute(warehouse, windows[at : at + WINDOWS_A_STATEMENT])


def parameters_of(windows: Sequence[Window]) -> dict[str, object]:
    """What `WANTED` asks for, and the whole span."""
    starts = [window.start_s for window in windows]
    return {
        "tenant": windows[0].tenant,
        "subjects": [window.subject for window in windows],
        "starts": starts,
        "changes": [window.changes for window in windows],
        "detailed": [window.detailed for window in windows],
        "from_ms": min(starts) * 1000,
        "to_ms": (max(starts) + windows[0].grain_s) * 1000,
    }


def _compute(warehouse: Warehouse, windows: Sequence[Window]) -> None:
    detailed = [window for window in windows if window.detailed]
    if detailed:
        warehouse.command(_keys_statement(detailed), parameters_of(detailed))
    warehouse.command(_WINDOWS.format(**_names(windows)), parameters_of(windows))


def _names(windows: Sequence[Window]) -> dict[str, object]:
    first = windows[0]
    return {
        "scope": first.scope,
        "subject": SUBJECTS[first.scope],
        "grain": first.grain_s,
        "start": f"toUInt32(intDiv(toUnixTimestamp(ts), {first.grain_s}) * {first.grain_s})",
        # By the table's own order: a link's rows are found without reading the others'.
        "among": "AND link IN {subjects:Array(UInt64)}" if first.scope == "link" else "",
    }


def _keys_statement(windows: Sequence[Window]) -> str:
    clicks = sum(window.changes for window in windows)
    base = max(0, math.ceil(math.log2(max(1, clicks) / CLICKS_OF_EXACT_VISITORS)))
    # The mask has a bit for each column that a set does not group by, the first column's highest.
    everything = (1 << len(DIMENSIONS)) - 1
    masks = [everything, *(everything ^ (1 << at) for at in reversed(range(len(DIMENSIONS))))]
    # One window needs no columns that tell it from others, which makes grouping a third cheaper.
    is_one = len(windows) == 1
    by = () if is_one else ("subject", "start")
    first = f"toUInt64({windows[0].subject}) AS subject, toUInt32({windows[0].start_s}) AS start"
    return _KEYS.format(
        **_names(windows),
        total=TOTAL,
        total_sample=TOTAL_SAMPLES[windows[0].grain_s],
        dimension_sample=DIMENSION_SAMPLES[windows[0].grain_s],
        max_keys=MAX_KEYS,
        columns=", ".join(DIMENSIONS),
        window=first if is_one else "subject, start",
        by=", ".join(by),
        sets=", ".join(f"({', '.join((*by, dimension))})" for dimension in DIMENSIONS),
        masks=masks,
        names=[TOTAL, *DIMENSIONS],
        visitors="length(hashes)" if base == 0 else "uniqCombined64If(17)(hash, is_human)",
        base=base,
        is_sampled=f" AND bitAnd(hash, {(1 << base) - 1}) = 0" if base else "",
    )
