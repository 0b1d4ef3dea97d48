"""Computes windows from the rows. The same rows give the same bytes, so it may be done again at any time.

Every statement takes many windows of one tenant, scope and grain at once. Visitors are sampled by their hash:
whoever is in the sample of one window is in those of all windows with the same level or a lower one, so that
a report can tell how many of them came back.
"""

from collections.abc import Sequence
from typing import Final

from aggregator.rollups.windows import (
    DIMENSION_SAMPLES,
    DIMENSIONS,
    MAX_KEYS,
    TOTAL,
    TOTAL_SAMPLES,
    Scope,
    Window,
)
from ingest.contract import Warehouse

# Parameters travel in a URL; servers take one of a megabyte.
WINDOWS_A_STATEMENT: Final = 2_000
# All dimensions of so many clicks are counted at once; of more one after the other, for visitors are held in
# memory. Of so many that even those of one dimension are too many, they are estimated within 0.2 %.
CLICKS_AT_ONCE: Final = 500_000
CLICKS_OF_EXACT_VISITORS: Final = 5_000_000

_SUBJECTS: Final[dict[Scope, str]] = {"link": "link", "domain": "cityHash64(domain)", "tenant": "toUInt64(0)"}

# Everything that is put into these texts is our own; values are bound.
_WITH: Final = """
WITH
    wanted AS
    (
        SELECT tupleElement(window, 1) AS subject, tupleElement(window, 2) AS start,
            tupleElement(window, 3) AS changes, tupleElement(window, 4) AS detailed,
            arrayJoin({dimensions}) AS dimension
        FROM (SELECT arrayJoin(arrayZip({{subjects:Array(UInt64)}}, {{starts:Array(UInt32)}},
            {{changes:Array(UInt64)}}, {{detailed:Array(Bool)}})) AS window)
        WHERE detailed OR dimension = ''
    ),
    chosen AS
    (
        SELECT {subject} AS subject, toUInt32(intDiv(toUnixTimestamp(ts), {grain}) * {grain}) AS start,
            verdict = 'human' AS is_human, verdict = 'preview' AS is_preview, cityHash64(visitor) AS hash,
            tupleElement(pair, 1) AS dimension, tupleElement(pair, 2) AS key
        FROM clicks
        ARRAY JOIN {pairs} AS pair
        WHERE tenant = {{tenant:String}}
            AND ts >= fromUnixTimestamp64Milli({{from_ms:Int64}}, 'UTC')
            AND ts < fromUnixTimestamp64Milli({{to_ms:Int64}}, 'UTC')
            {among}
            AND (subject, start) IN (SELECT subject, start FROM wanted)
    )
"""

_COUNTS: Final = (
    "INSERT INTO click_windows"
    + _WITH
    + """,
    counted AS
    (
        SELECT subject, start, dimension, key, count() AS key_clicks, countIf(is_human) AS human,
            countIf(is_preview) AS key_previews, {count_visitors}If(hash, is_human) AS visitors
        FROM chosen GROUP BY subject, start, dimension, key
    ),
    levelled AS
    (
        SELECT *,
            2 * if(dimension = '{total}', {total_sample}, {dimension_sample})
                / count() OVER (PARTITION BY subject, start, dimension) AS kept,
            toUInt8(if(visitors <= kept, 0, ceil(log2(visitors / kept)))) AS level
        FROM counted
        ORDER BY key_clicks DESC, key LIMIT {max_keys} BY subject, start, dimension
    ),
    gathered AS
    (
        SELECT subject, start, dimension, sum(key_clicks) AS clicks, sum(key_previews) AS previews,
            arraySort(groupArray((key, key_clicks, human, visitors, level))) AS cells
        FROM levelled GROUP BY subject, start, dimension
    )
SELECT {{tenant:String}}, '{scope}', {grain}, dimension, subject, toDateTime(start, 'UTC'), changes, detailed,
    gathered.clicks, gathered.previews, cells.1, cells.2, cells.3, cells.4, cells.5
FROM wanted LEFT JOIN gathered USING (subject, start, dimension)
SETTINGS insert_deduplicate = 0, async_insert = 0, join_use_nulls = 0
"""
)

_SAMPLES: Final = (
    "INSERT INTO click_samples"
    + _WITH
    + """,
    known AS
    (
        SELECT subject, toUInt32(toUnixTimestamp(start)) AS start, changes, dimension, key, level
        FROM click_windows
        ARRAY JOIN keys AS key, key_levels AS level
        WHERE tenant = {{tenant:String}} AND scope = '{scope}' AND grain = {grain}
            AND (subject, start, dimension, changes) IN (
                SELECT subject, start, dimension, changes FROM wanted
            )
    )
SELECT {{tenant:String}}, '{scope}', {grain}, dimension, subject, toDateTime(start, 'UTC'),
    changes, cells.1, cells.2, cells.3
FROM
(
    SELECT subject, start, changes, dimension, arraySort(groupUniqArray((key, level, hash))) AS cells
    FROM chosen INNER JOIN known USING (subject, start, dimension, key)
    WHERE is_human AND bitAnd(hash, bitShiftLeft(toUInt64(1), level) - 1) = 0
    GROUP BY subject, start, changes, dimension
)
SETTINGS insert_deduplicate = 0, async_insert = 0
"""
)


def compute(warehouse: Warehouse, windows: Sequence[Window]) -> None:
    """Replace these windows by what the rows say now. All are of one tenant, scope and grain. Blocks."""
    for at in range(0, len(windows), WINDOWS_A_STATEMENT):
        _compute(warehouse, windows[at : at + WINDOWS_A_STATEMENT])


def _compute(warehouse: Warehouse, windows: Sequence[Window]) -> None:
    starts = [window.start_s for window in windows]
    parameters: dict[str, object] = {
        "tenant": windows[0].tenant,
        "subjects": [window.subject for window in windows],
        "starts": starts,
        "changes": [window.changes for window in windows],
        "detailed": [window.detailed for window in windows],
        "from_ms": min(starts) * 1000,
        "to_ms": (max(starts) + windows[0].grain_s) * 1000,
    }
    if any(window.detailed for window in windows):
        at_once = sum(window.changes for window in windows) <= CLICKS_AT_ONCE
        everything = (TOTAL, *DIMENSIONS)
        for dimensions in [everything] if at_once else [(dimension,) for dimension in everything]:
            warehouse.command(_statement(_COUNTS, windows, dimensions), parameters)
            warehouse.command(_statement(_SAMPLES, windows, dimensions), parameters)
    warehouse.command(_statement(_COUNTS, windows, ("",)), parameters)


def _statement(template: str, windows: Sequence[Window], dimensions: Sequence[str]) -> str:
    first = windows[0]
    keys = {"": "''", TOTAL: "''"}
    pairs = ", ".join(f"('{each}', {keys.get(each, f'toString({each})')})" for each in dimensions)
    exact = max(window.changes for window in windows) <= CLICKS_OF_EXACT_VISITORS
    return template.format(
        scope=first.scope,
        subject=_SUBJECTS[first.scope],
        grain=first.grain_s,
        dimensions=list(dimensions),
        pairs=f"[{pairs}]",
        # By the table's own order: a link's rows are found without reading the others'.
        among="AND link IN {subjects:Array(UInt64)}" if first.scope == "link" else "",
        count_visitors="uniqExact" if exact else "uniqCombined64",
        total=TOTAL,
        total_sample=TOTAL_SAMPLES[first.grain_s],
        dimension_sample=DIMENSION_SAMPLES[first.grain_s],
        max_keys=MAX_KEYS,
    )
